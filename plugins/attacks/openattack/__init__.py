"""Attacks of OpenAttack: each module of this folder has one ``ATTACK``, or several in ``ATTACKS``."""
