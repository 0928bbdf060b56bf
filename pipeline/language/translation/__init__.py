"""Translations: texts, what stays in them, people's memory and glossary, what has to be asked, and the guards of every answer."""
