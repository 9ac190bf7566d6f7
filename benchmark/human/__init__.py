"""Human audit: do adversarial texts keep their label in the eyes of people? Blinded export, import, agreement."""
