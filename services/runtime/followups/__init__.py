"""Follow-ups on their way out: the ledger, delivery, and the ways that e-mails and webhooks leave."""
