"""Results that others send in: one archive, packed by whoever ran them, reviewed by whoever keeps the leaderboard.

Archives come from strangers. Nothing of one is written to disk before all of it was read, bounded and checked; there is
one byte form for one content, so that no byte of an archive goes unchecked.
"""
