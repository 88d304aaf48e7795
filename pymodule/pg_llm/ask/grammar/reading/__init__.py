"""Parse the mentions of a question into a ParsedQuestion: targets, measures, filters, groups, order, negations."""
