"""App -> plans: plain, sorted data that says all a runner or an engine needs."""
