"""Image types, one a file, and the engines that build what they describe."""
