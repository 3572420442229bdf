"""What comes back of e-mails: openings, clicks and unsubscriptions become touchpoints."""
