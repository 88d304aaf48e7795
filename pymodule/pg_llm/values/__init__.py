"""Values as people write them: numbers, dates, phone numbers, addresses, names of countries, and what they mean."""
