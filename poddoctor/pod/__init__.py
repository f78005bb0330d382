"""Reading raw objects: containers, STATUS word, quantities, times, events, owners.

Pure functions from the JSON that the API sent, and from a Snapshot, to small facts. No judgement.
"""
