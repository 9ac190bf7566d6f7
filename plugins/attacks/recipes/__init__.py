"""Attacks by TextAttack's recipes: each module of this folder has one ``ATTACK``, or several in ``ATTACKS``."""
