"""Profiles: touchpoints are folded into cells, and a person is the join of the cells they own."""
