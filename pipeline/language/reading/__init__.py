"""What texts say, read by lists of words (`words/`): numbers, facts, denials, orders. Nothing here knows where a text is from."""
