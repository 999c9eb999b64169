//! G.711 (ITU-T G.711, 1988) by table: one byte is one sample at 8 kHz.

/// Which of the two companding laws a payload is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// µ-law, `PCMU`, static payload type 0 (RFC 3551 §4.5.14).
    Mu,
    /// A-law, `PCMA`, static payload type 8.
    A,
}

/// Smallest encoded magnitude, i.e. silence, in either law.
const MU_SILENCE: u8 = 0xff;
const A_SILENCE: u8 = 0xd5;

const MU_BIAS: i32 = 0x84;
const MU_CLIP: i32 = 32_635;

static MU_TO_LINEAR: [i16; 256] = table_mu();
static A_TO_LINEAR: [i16; 256] = table_a();
static MU_TO_A: [u8; 256] = table_mu_to_a();
static A_TO_MU: [u8; 256] = table_a_to_mu();

impl Law {
    /// The name in SDP (RFC 3551 table 4).
    pub const fn name(self) -> &'static str {
        match self {
            Law::Mu => "PCMU",
            Law::A => "PCMA",
        }
    }

    /// The byte that stands for silence.
    pub const fn silence(self) -> u8 {
        match self {
            Law::Mu => MU_SILENCE,
            Law::A => A_SILENCE,
        }
    }

    /// One encoded byte as a linear 16-bit sample.
    pub fn decode(self, byte: u8) -> i16 {
        let table = match self {
            Law::Mu => &MU_TO_LINEAR,
            Law::A => &A_TO_LINEAR,
        };
        table.get(usize::from(byte)).copied().unwrap_or(0)
    }

    /// A linear 16-bit sample as its nearest encoded byte.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Law::Mu => linear_to_mu(sample),
            Law::A => linear_to_a(sample),
        }
    }

    /// Rewrites a payload in place from this law into `to`.
    pub fn transcode(self, to: Law, payload: &mut [u8]) {
        let table = match (self, to) {
            (Law::Mu, Law::A) => &MU_TO_A,
            (Law::A, Law::Mu) => &A_TO_MU,
            (Law::Mu, Law::Mu) | (Law::A, Law::A) => return,
        };
        for byte in payload {
            *byte = table.get(usize::from(*byte)).copied().unwrap_or(*byte);
        }
    }
}

const fn mu_to_linear(byte: u8) -> i16 {
    let inverted = !byte;
    let exponent = ((inverted >> 4) & 0x07) as i32;
    let mantissa = (inverted & 0x0f) as i32;
    let magnitude = (((mantissa << 3) + MU_BIAS) << exponent) - MU_BIAS;
    (if inverted & 0x80 != 0 { -magnitude } else { magnitude }) as i16
}

const fn a_to_linear(byte: u8) -> i16 {
    let toggled = byte ^ 0x55;
    let exponent = ((toggled >> 4) & 0x07) as i32;
    let mantissa = (toggled & 0x0f) as i32;
    let magnitude = match exponent {
        0 => (mantissa << 4) + 8,
        _ => ((mantissa << 4) + 0x108) << (exponent - 1),
    };
    (if toggled & 0x80 != 0 { magnitude } else { -magnitude }) as i16
}

const fn linear_to_mu(sample: i16) -> u8 {
    let sign: u8 = if sample < 0 { 0x80 } else { 0 };
    let mut magnitude = (sample as i32).abs();
    if magnitude > MU_CLIP {
        magnitude = MU_CLIP;
    }
    magnitude += MU_BIAS;
    let exponent = (31 - (magnitude as u32).leading_zeros() as i32) - 7;
    let mantissa = ((magnitude >> (exponent + 3)) & 0x0f) as u8;
    !(sign | ((exponent as u8) << 4) | mantissa)
}

const fn linear_to_a(sample: i16) -> u8 {
    let sign: u8 = if sample < 0 { 0 } else { 0x80 };
    let value = sample as i32;
    let magnitude = if value < 0 { -value - 1 } else { value };
    let encoded = if magnitude < 256 {
        (magnitude >> 4) as u8
    } else {
        let exponent = (31 - (magnitude as u32).leading_zeros() as i32) - 7;
        let mantissa = ((magnitude >> (exponent + 3)) & 0x0f) as u8;
        ((exponent as u8) << 4) | mantissa
    };
    (sign | encoded) ^ 0x55
}

macro_rules! table {
    ($name:ident, $item:ty, $of:expr) => {
        #[allow(clippy::indexing_slicing, reason = "evaluated at compile time, bounded by the loop")]
        const fn $name() -> [$item; 256] {
            let mut table = [0; 256];
            let mut code = 0;
            while code < 256 {
                table[code] = $of(code as u8);
                code += 1;
            }
            table
        }
    };
}

table!(table_mu, i16, mu_to_linear);
table!(table_a, i16, a_to_linear);
table!(table_mu_to_a, u8, mu_to_a);
table!(table_a_to_mu, u8, a_to_mu);

const fn mu_to_a(byte: u8) -> u8 {
    linear_to_a(mu_to_linear(byte))
}

const fn a_to_mu(byte: u8) -> u8 {
    linear_to_mu(a_to_linear(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_both_laws_survives_a_round_trip() {
        for code in 0..=255u8 {
            // Negative zero of the µ-law is the one code that has a twin.
            if code != 0x7f {
                assert_eq!(Law::Mu.encode(Law::Mu.decode(code)), code, "µ-law {code:#04x}");
            }
            assert_eq!(Law::A.encode(Law::A.decode(code)), code, "A-law {code:#04x}");
        }
    }

    #[test]
    fn known_values_of_the_tables_of_g711() {
        let rows = [
            (Law::Mu, 0x00, -32_124),
            (Law::Mu, 0x80, 32_124),
            (Law::Mu, 0xff, 0),
            (Law::Mu, 0x8f, 16_764),
            (Law::A, 0xd5, 8),
            (Law::A, 0x55, -8),
            (Law::A, 0xaa, 32_256),
            (Law::A, 0x2a, -32_256),
        ];
        for (law, code, linear) in rows {
            assert_eq!(law.decode(code), linear, "{law:?} {code:#04x}");
        }
    }

    #[test]
    fn silence_is_the_quietest_code() {
        assert_eq!(Law::Mu.decode(Law::Mu.silence()), 0);
        assert_eq!(Law::A.decode(Law::A.silence()), 8);
    }

    #[test]
    fn transcoding_in_place_equals_decoding_and_encoding() {
        for code in 0..=255u8 {
            let mut payload = [code];
            Law::Mu.transcode(Law::A, &mut payload);
            assert_eq!(payload, [Law::A.encode(Law::Mu.decode(code))]);
            let mut payload = [code];
            Law::A.transcode(Law::A, &mut payload);
            assert_eq!(payload, [code]);
        }
    }
}
