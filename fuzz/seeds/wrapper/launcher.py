# Stands in for the launcher with the engine's source embedded.
print("train")
