"""Room of evidence: whether a posterior can be believed."""
