"""The leaderboard half: published pages as a pure function of records. Nothing here imports torch."""
