"""What the attacks of OpenAttack share: the victim as the library sees it, tokens, substitutes, mended attackers."""
