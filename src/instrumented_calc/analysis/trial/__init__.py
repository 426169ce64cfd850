"""The measurements of a trial in numbers: are the values equal, and is it faster?"""
