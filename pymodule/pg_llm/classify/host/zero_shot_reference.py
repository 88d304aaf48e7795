"""Texts with the label that fits each: how an embedding model's cosines are scaled is measured on them."""

from __future__ import annotations

PAIRS = (
    ("cooking", "Knead the dough, let it rise and bake it until the crust is brown."),
    ("football", "The striker scored twice and the goalkeeper saved a penalty."),
    ("taxes", "The form for last year's income must reach the revenue office by May."),
    ("gardening", "Prune the roses in March and water the seedlings every evening."),
    ("astronomy", "The telescope found a faint galaxy whose light is ten billion years old."),
    ("medicine", "The doctor prescribed an antibiotic for the infection in her lungs."),
    ("software", "The program crashes when the file that it opens is empty."),
    ("music", "The quartet played two sonatas, and the pianist an encore."),
    ("travel", "We took the night train to the coast and stayed in a small hotel."),
    ("law", "The court found that the contract was void and awarded damages."),
    ("weather", "Heavy rain and gales are expected in the north tonight."),
    ("banking", "My account was charged twice for the same transfer."),
    ("fashion", "She wore a silk dress with a wide belt and leather boots."),
    ("history", "The empire fell after its last king lost the war and fled."),
    ("animals", "The fox slept in its burrow while the owls hunted mice."),
    ("cars", "The engine needs new spark plugs and the brakes squeal."),
    ("education", "The pupils hand in their homework and sit the exam on Friday."),
    ("elections", "Both candidates campaigned for the votes of the suburbs."),
    ("poetry", "Her new book holds forty sonnets about the sea."),
    ("housing", "The landlord raised the rent of the flat by a tenth."),
)
