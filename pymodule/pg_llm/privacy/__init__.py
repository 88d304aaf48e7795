"""Personal data in texts and tables: found, redacted, pseudonymised under a key, and revealed to who may."""
