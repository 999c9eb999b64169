//! Small lexer helpers shared by the header parsers: all work on text, none can fail by panic.

/// Whether `c` may stand in a token (RFC 3261 §25.1).
pub fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c)
}

pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_char)
}

/// The parts of `text` between `separator`s that stand outside quotes and angle brackets, trimmed.
pub fn split_outside(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut quoted = false;
    let mut escaped = false;
    let mut angle = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if quoted {
            match c {
                '\\' => escaped = true,
                '"' => quoted = false,
                _ => {}
            }
        } else if angle {
            angle = c != '>';
        } else if c == '"' {
            quoted = true;
        } else if c == '<' {
            angle = true;
        } else if c == separator {
            parts.push(text.get(start..at).unwrap_or("").trim());
            start = at + c.len_utf8();
        }
    }
    parts.push(text.get(start..).unwrap_or("").trim());
    parts
}

/// The content of the quoted string that `text` begins with, unescaped, and what follows it.
pub fn quoted_string(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut out = String::new();
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        if escaped {
            out.push(c);
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == '"' {
            return Some((out, inner.get(at + 1..).unwrap_or("")));
        } else {
            out.push(c);
        }
    }
    None
}

/// `text` as a quoted string (RFC 3261 §25.1).
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if c == '"' || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// `value` without its quotes, if it is a quoted string; else as it stands.
pub fn unquote(value: &str) -> String {
    match quoted_string(value) {
        Some((inner, rest)) if rest.trim().is_empty() => inner,
        _ => value.to_owned(),
    }
}

/// The number that `text` spells in decimal digits; beyond `u32` it is `Overflow`.
pub enum Number {
    Value(u32),
    Overflow,
    Malformed,
}

pub fn number(text: &str) -> Number {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Number::Malformed;
    }
    match text.parse() {
        Ok(value) => Number::Value(value),
        Err(_) => Number::Overflow,
    }
}

/// `value` for an error message: at most 80 characters, control characters replaced.
pub fn shown(value: &str) -> String {
    let mut out: String = value.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect();
    if out.len() < value.len() && value.chars().nth(80).is_some() {
        out.push('…');
    }
    out
}
