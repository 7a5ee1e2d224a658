print("inputs")
