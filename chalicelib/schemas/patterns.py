"""The forms of what people type, and what to say of a value that hasn't the form."""

EMAIL = r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+\.[^@\s\x00-\x1f.]+$"
USERNAME = r"^[\w.-]+$"
#: At least one character that isn't a space, and no control character.
VISIBLE = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
#: No space at its ends, and no control character.
_CONTROL = r"\x00-\x1f\x7f-\x9f"
_WITHIN, _END = rf"[^{_CONTROL}]", rf"[^\s{_CONTROL}]"
TRIMMED = f"^{_END}({_WITHIN}*{_END})?$"
TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})$"

MEANING = {
    EMAIL: "no email address: it is like ann@example.org",
    USERNAME: "only letters, digits, dots, dashes and underscores can be in it",
    VISIBLE: "it needs one line of text that can be seen",
    TRIMMED: "no space can be at its ends, and no control character in it",
    TIME: "no time with a zone: it is like 2027-01-31T12:00:00Z",
}
