//! Two parties in one channel.

/// Both at half their level: never clipped, and a party alone is not distorted.
pub const fn mix(one: i16, other: i16) -> i16 {
    i16::midpoint(one, other)
}

#[cfg(test)]
mod tests {
    use super::mix;

    #[test]
    fn the_loudest_pair_is_not_clipped() {
        let rows = [
            (i16::MAX, i16::MAX, i16::MAX),
            (i16::MIN, i16::MIN, i16::MIN),
            (i16::MAX, i16::MIN, 0),
            (1_000, 0, 500),
            (-1_000, 3_000, 1_000),
        ];
        for (one, other, both) in rows {
            assert_eq!(mix(one, other), both, "{one} and {other}");
        }
    }
}
