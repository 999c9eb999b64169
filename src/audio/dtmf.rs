//! DTMF in the audio itself (ITU-T Q.23, Q.24): eight Goertzel filters over blocks of 8 ms, and a
//! second look at whatever resembles a key.
//!
//! ```text
//! 64 samples ─► 8 filters ─► the last four blocks: one row, one column, little else? ─► fit ─► key
//! ```
//! The second look fits two sinusoids of free frequency to the last 32 ms. A key is within 2.5 % of
//! both frequencies (accepted to ±1.5 %, refused from ±3.5 %), within the twist, and what the two
//! sinusoids do not explain is at most a tenth of the power: speech hardly ever does that.

/// Samples of a block, 8 ms.
const BLOCK: usize = 64;
/// Blocks that the second look spans: a tone of 40 ms holds four whole blocks at any offset.
const BLOCKS: usize = 4;
const WINDOW: usize = BLOCK * BLOCKS;
const RATE: f32 = 8_000.0;

const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const KEYS: [[u8; 4]; 4] = [*b"123A", *b"456B", *b"789C", *b"*0#D"];

/// The amplitude of the weaker tone at least: −25 dBm0 less the twist of 8 dB and a reserve.
const LEAST: f32 = 350.0;
/// The power in one row and one column at least, of that in the window: the first look.
const FIRST_LOOK: f32 = 0.45;
/// What the two sinusoids may leave unexplained; 15 dB of noise are 3 %.
const RESIDUE: f32 = 0.10;
/// Between ±1.5 % and ±3.5 %.
const OFF: f32 = 0.025;
/// The column may be louder than the row by 4 dB, the row than the column by 8 dB; with a reserve.
const COLUMN_LOUDER: f32 = 1.9;
const ROW_LOUDER: f32 = 3.0;
/// A key is up after this many blocks without it.
const UP_AFTER: u8 = 2;

/// What was found at the end of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToneKey {
    /// A key has gone down. It began `ago` samples before the end of what was fed so far.
    Down { key: u8, ago: u32 },
    /// It is still down: so long by now, in samples since `Down` began.
    Going { length: u32 },
    /// It is up.
    Up { length: u32 },
}

/// The detector of one stream at 8 kHz.
#[derive(Clone, Debug)]
pub struct DtmfDetector {
    /// The last four blocks; the oldest first.
    window: [f32; WINDOW],
    filled: usize,
    filters: [Filter; 8],
    /// Power of each filter in each of the last blocks, relative to a pure tone.
    powers: [[f32; 8]; BLOCKS],
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    Down { key: u8, length: u32, missing: u8 },
}

#[derive(Clone, Copy, Debug, Default)]
struct Filter {
    coefficient: f32,
    one: f32,
    two: f32,
}

impl Filter {
    /// The squared amplitude of the filter's frequency in a block; the filter starts anew.
    fn take(&mut self) -> f32 {
        let power = self.one * self.one + self.two * self.two - self.coefficient * self.one * self.two;
        (self.one, self.two) = (0.0, 0.0);
        power * 4.0 / (BLOCK * BLOCK) as f32
    }
}

impl Default for DtmfDetector {
    fn default() -> Self {
        let mut filters = [Filter::default(); 8];
        for (filter, hertz) in filters.iter_mut().zip(ROWS.iter().chain(&COLUMNS)) {
            filter.coefficient = 2.0 * (std::f32::consts::TAU * hertz / RATE).cos();
        }
        DtmfDetector { window: [0.0; WINDOW], filled: 0, filters, powers: [[0.0; 8]; BLOCKS], state: State::Up }
    }
}

impl DtmfDetector {
    /// Takes samples in; `found` hears of each change, with the samples of this call before it.
    pub fn feed(&mut self, samples: impl IntoIterator<Item = i16>, mut found: impl FnMut(ToneKey, usize)) {
        for (at, sample) in (1..).zip(samples) {
            let sample = f32::from(sample);
            for filter in &mut self.filters {
                let zero = sample + filter.coefficient * filter.one - filter.two;
                (filter.two, filter.one) = (filter.one, zero);
            }
            if let Some(place) = self.window.get_mut(WINDOW - BLOCK + self.filled) {
                *place = sample;
            }
            self.filled += 1;
            if self.filled == BLOCK {
                if let Some(change) = self.end_of_block() {
                    found(change, at);
                }
                self.filled = 0;
                self.window.rotate_left(BLOCK);
            }
        }
    }

    /// Whether a key is down by what is known.
    pub const fn is_down(&self) -> bool {
        matches!(self.state, State::Down { .. })
    }

    /// Forgets what was heard: samples are missing now.
    pub fn restart(&mut self) {
        *self = DtmfDetector::default();
    }

    fn end_of_block(&mut self) -> Option<ToneKey> {
        self.powers.rotate_left(1);
        if let Some(newest) = self.powers.last_mut() {
            for (place, filter) in newest.iter_mut().zip(&mut self.filters) {
                *place = filter.take();
            }
        }
        match self.state {
            State::Up => {
                let key = self.candidate(&self.window).filter(|candidate| self.fits(candidate))?;
                // The block before the window may hold the beginning of the tone.
                let length = (WINDOW + BLOCK) as u32;
                self.state = State::Down { key: key.key(), length, missing: 0 };
                Some(ToneKey::Down { key: key.key(), ago: length })
            }
            State::Down { key, length, missing } => Some(self.goes_on(key, length, missing)),
        }
    }

    fn goes_on(&mut self, key: u8, length: u32, missing: u8) -> ToneKey {
        let length = length + BLOCK as u32;
        let newest = self.window.get(WINDOW - BLOCK..).unwrap_or(&[]);
        let heard = self.candidate(newest).is_some_and(|candidate| candidate.key() == key);
        let missing = if heard { 0 } else { missing + 1 };
        if missing >= UP_AFTER {
            self.state = State::Up;
            return ToneKey::Up { length };
        }
        self.state = State::Down { key, length, missing };
        ToneKey::Going { length }
    }

    /// The first look: the row and the column that hold most of the power of `samples`, which are
    /// the newest of the window.
    fn candidate(&self, samples: &[f32]) -> Option<Candidate> {
        let blocks = samples.len() / BLOCK;
        let mut sums = [0.0f32; 8];
        for block in self.powers.iter().skip(BLOCKS - blocks) {
            for (sum, power) in sums.iter_mut().zip(block) {
                *sum += power / blocks as f32;
            }
        }
        let (rows, columns) = sums.split_at(4);
        let (row, low) = loudest(rows)?;
        let (column, high) = loudest(columns)?;
        // Half the squared amplitude is the power of a sinusoid.
        let power: f32 = samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32;
        let enough = low.min(high) >= LEAST * LEAST / 4.0 && (low + high) / 2.0 >= FIRST_LOOK * power;
        enough.then_some(Candidate { row, column })
    }

    /// The second look.
    fn fits(&self, candidate: &Candidate) -> bool {
        let (Some(row), Some(column)) = (ROWS.get(candidate.row), COLUMNS.get(candidate.column)) else { return false };
        let low = peak(&self.window, *row);
        let high = peak(&self.window, *column);
        if (low / row - 1.0).abs() > OFF || (high / column - 1.0).abs() > OFF {
            return false;
        }
        let fit = Fit::of(&self.window, low, high);
        let twist = fit.high <= fit.low * COLUMN_LOUDER && fit.low <= fit.high * ROW_LOUDER;
        twist && fit.low.min(fit.high) >= LEAST && fit.residue <= RESIDUE
    }
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    row: usize,
    column: usize,
}

impl Candidate {
    fn key(self) -> u8 {
        KEYS.get(self.row).and_then(|row| row.get(self.column)).copied().unwrap_or(b'0')
    }
}

fn loudest(powers: &[f32]) -> Option<(usize, f32)> {
    powers.iter().copied().enumerate().max_by(|one, other| one.1.total_cmp(&other.1))
}

/// The frequency near `around` at which the windowed spectrum is highest. It is looked for within
/// ±5 % and refined between the steps by a parabola.
fn peak(window: &[f32], around: f32) -> f32 {
    const STEPS: i16 = 10;
    let at = |step: i16| around * (1.0 + 0.005 * f32::from(step));
    let level = |step: i16| hann_power(window, at(step)).max(1e-9).ln();
    let best = (-STEPS..=STEPS).max_by(|one, other| level(*one).total_cmp(&level(*other))).unwrap_or(0);
    let (before, top, after) = (level(best - 1), level(best), level(best + 1));
    let bend = before - 2.0 * top + after;
    let shift = if bend < 0.0 { (0.5 * (before - after) / bend).clamp(-0.5, 0.5) } else { 0.0 };
    around * (1.0 + 0.005 * (f32::from(best) + shift))
}

/// Power at a frequency under a Hann window, which keeps the other tone out.
fn hann_power(window: &[f32], hertz: f32) -> f32 {
    let (mut re, mut im) = (0.0, 0.0);
    let (sin, cos) = (std::f32::consts::TAU * hertz / RATE).sin_cos();
    let (sin_w, cos_w) = (std::f32::consts::TAU / window.len() as f32).sin_cos();
    let (mut c, mut s, mut wc, mut ws) = (1.0f32, 0.0f32, 1.0f32, 0.0f32);
    for sample in window {
        let weighted = sample * (0.5 - 0.5 * wc);
        re += weighted * c;
        im += weighted * s;
        (c, s) = (c * cos - s * sin, s * cos + c * sin);
        (wc, ws) = (wc * cos_w - ws * sin_w, ws * cos_w + wc * sin_w);
    }
    re * re + im * im
}

/// Two sinusoids fitted to samples by least squares.
struct Fit {
    /// Amplitudes.
    low: f32,
    high: f32,
    /// The part of the power that they leave.
    residue: f32,
}

impl Fit {
    fn of(window: &[f32], low: f32, high: f32) -> Fit {
        let (low, high) = (std::f32::consts::TAU * low / RATE, std::f32::consts::TAU * high / RATE);
        let mut normal = [[0.0f32; 5]; 4];
        let mut power = 0.0;
        let basis = |at: usize| {
            let (at_low, at_high) = (low * at as f32, high * at as f32);
            [at_low.cos(), at_low.sin(), at_high.cos(), at_high.sin()]
        };
        for (at, sample) in window.iter().enumerate() {
            let basis = basis(at);
            power += sample * sample;
            for (row, one) in normal.iter_mut().zip(basis) {
                let terms = basis.iter().chain(std::iter::once(sample));
                row.iter_mut().zip(terms).for_each(|(place, other)| *place += one * other);
            }
        }
        let [a, b, c, d] = solve(normal);
        let left: f32 = window
            .iter()
            .enumerate()
            .map(|(at, sample)| {
                let [w, x, y, z] = basis(at);
                (sample - a * w - b * x - c * y - d * z).powi(2)
            })
            .sum();
        Fit { low: a.hypot(b), high: c.hypot(d), residue: left / power.max(1.0) }
    }
}

/// Gauss's elimination of four equations whose matrix has a strong diagonal.
fn solve(mut rows: [[f32; 5]; 4]) -> [f32; 4] {
    for pivot in 0..4 {
        let Some(top) = rows.get(pivot).copied() else { continue };
        let head = top.get(pivot).copied().filter(|head| head.abs() > 1e-6).unwrap_or(1.0);
        for (at, row) in rows.iter_mut().enumerate() {
            if at == pivot {
                continue;
            }
            let factor = row.get(pivot).copied().unwrap_or(0.0) / head;
            row.iter_mut().zip(top).for_each(|(place, value)| *place -= factor * value);
        }
    }
    let mut solution = [0.0; 4];
    for (at, (place, row)) in solution.iter_mut().zip(rows).enumerate() {
        let head = row.get(at).copied().filter(|head| head.abs() > 1e-6).unwrap_or(1.0);
        *place = row.last().copied().unwrap_or(0.0) / head;
    }
    solution
}

#[cfg(test)]
mod tests;
