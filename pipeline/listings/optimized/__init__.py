"""Better texts of products for one marketplace: proposed by a model or by rules, judged by code, decided by people."""
