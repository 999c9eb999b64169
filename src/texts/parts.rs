//! Long texts in parts.

/// The basic characters of SMS (3GPP TS 23.038 §6.2.1), and those that take two places.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ\
                     ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENDED: &str = "^{}\\[~]|€";

/// Places of an SMS that is whole, and of one that is a part: with basic characters, and in UTF-16.
const BASIC_WHOLE: usize = 160;
const BASIC_PART: usize = 153;
const WIDE_WHOLE: usize = 70;
const WIDE_PART: usize = 67;
/// Bytes of a text in a datagram: a MESSAGE stays below 1300 (RFC 3428 §8), headers and all.
const DATAGRAM: usize = 600;

/// Places that a character takes; `None`: it is none of the basic ones.
fn basic(c: char) -> Option<usize> {
    if BASIC.contains(c) {
        return Some(1);
    }
    EXTENDED.contains(c).then_some(2)
}

/// A text as it goes into one SMS or several: no character is cut in two.
pub fn for_sms(text: &str) -> Vec<String> {
    let is_basic = text.chars().all(|c| basic(c).is_some());
    let (places, whole, part): (fn(char) -> usize, usize, usize) = match is_basic {
        true => (|c| basic(c).unwrap_or(1), BASIC_WHOLE, BASIC_PART),
        false => (char::len_utf16, WIDE_WHOLE, WIDE_PART),
    };
    split(text, places, whole, part)
}

/// A text as it goes over datagrams.
pub fn for_datagrams(text: &str) -> Vec<String> {
    split(text, char::len_utf8, DATAGRAM, DATAGRAM)
}

fn split(text: &str, places: fn(char) -> usize, whole: usize, part: usize) -> Vec<String> {
    if text.chars().map(places).sum::<usize>() <= whole {
        return vec![text.to_owned()];
    }
    let mut parts = Vec::new();
    let (mut now, mut taken) = (String::new(), 0);
    for c in text.chars() {
        if taken + places(c) > part {
            parts.push(std::mem::take(&mut now));
            taken = 0;
        }
        taken += places(c);
        now.push(c);
    }
    parts.push(now);
    parts
}

/// The text of its parts. A part that never came is shown as missing.
pub fn join(parts: &[Option<String>]) -> String {
    parts.iter().map(|part| part.as_deref().unwrap_or("[…]")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_sms_has_160_basic_characters_or_70_others_and_a_part_of_one_fewer() {
        let rows: [(String, &[usize]); 7] = [
            ("a".repeat(160), &[160]),
            ("a".repeat(161), &[153, 8]),
            ("€".repeat(80), &[80]),
            ("€".repeat(81), &[76, 5]),
            ("ж".repeat(70), &[70]),
            ("ж".repeat(71), &[67, 4]),
            ("😀".repeat(36), &[33, 3]),
        ];
        for (text, expected) in rows {
            let lengths: Vec<usize> = for_sms(&text).iter().map(|part| part.chars().count()).collect();
            assert_eq!(lengths, expected, "{} of {:?}", text.chars().count(), text.chars().next());
        }
        assert_eq!(for_datagrams(&"ä".repeat(301)).len(), 2);
        assert_eq!(join(&[Some("a".to_owned()), None, Some("c".to_owned())]), "a[…]c");
    }

    proptest! {
        #[test]
        fn parts_are_the_text_and_none_is_too_long(text in "\\PC{0,700}") {
            for parts in [for_sms(&text), for_datagrams(&text)] {
                prop_assert_eq!(parts.concat(), text.as_str());
            }
            prop_assert!(for_datagrams(&text).iter().all(|part| part.len() <= DATAGRAM));
            let wide = |part: &String| part.encode_utf16().count() <= WIDE_WHOLE;
            let narrow = |part: &String| part.chars().filter_map(basic).sum::<usize>() <= BASIC_WHOLE;
            let basic_only = text.chars().all(|c| basic(c).is_some());
            let fits: &dyn Fn(&String) -> bool = if basic_only { &narrow } else { &wide };
            let all_fit = for_sms(&text).iter().all(fits);
            prop_assert!(all_fit);
        }
    }
}
