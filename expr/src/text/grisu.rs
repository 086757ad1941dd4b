//! The digits of a float as JSON is written: the algorithm Grisu2 (Florian Loitsch, "Printing
//! Floating-Point Numbers Quickly and Accurately with Integers", 2010), which Nix's JSON library
//! uses. Of a thousand floats one or two get a last digit that is not the nearest, or a digit more
//! than needed; they read back all the same. It is done here so that the text is the same.

/// A number `f * 2^e`.
#[derive(Clone, Copy)]
struct Wide {
    f: u64,
    e: i32,
}

impl Wide {
    fn normal(self) -> Self {
        let shift = self.f.leading_zeros();
        Self { f: self.f << shift, e: self.e - shift as i32 }
    }

    /// The upper half of the product, rounded.
    fn times(self, other: Self) -> Self {
        let product = u128::from(self.f) * u128::from(other.f) + (1 << 63);
        Self { f: (product >> 64) as u64, e: self.e + other.e + 64 }
    }
}

/// The decimal digits of a positive finite float, and the power of ten of the last one.
pub(super) fn digits(value: f64) -> (Vec<u8>, i32) {
    let bits = value.to_bits();
    let (fraction, biased) = (bits & ((1 << 52) - 1), (bits >> 52) as i32);
    let exact = if biased == 0 {
        Wide { f: fraction, e: -1074 }
    } else {
        Wide { f: fraction | 1 << 52, e: biased - 1075 }
    };
    // half-way to the neighbours; below a power of two the lower one is nearer
    let upper = Wide { f: 2 * exact.f + 1, e: exact.e - 1 }.normal();
    let lower = if fraction == 0 && biased > 1 {
        Wide { f: 4 * exact.f - 1, e: exact.e - 2 }
    } else {
        Wide { f: 2 * exact.f - 1, e: exact.e - 1 }
    };
    let lower = Wide { f: lower.f << (lower.e - upper.e), e: upper.e };

    let (power, exponent) = power_of_ten(upper.e);
    let exact = exact.normal().times(power);
    let upper = upper.times(power);
    generate(lower.times(power).f + 1, exact.f, Wide { f: upper.f - 1, e: upper.e }, -exponent)
}

/// Digits of `upper` until what is left is within the interval from `lower`.
fn generate(lower: u64, exact: u64, upper: Wide, exponent: i32) -> (Vec<u8>, i32) {
    let mut out = Vec::with_capacity(18);
    let (mut within, mut off) = (upper.f - lower, upper.f - exact);
    let shift = -upper.e;
    let one = 1u64 << shift;
    let (mut whole, mut part) = (upper.f >> shift, upper.f & (one - 1));
    let mut left = whole.checked_ilog10().map_or(1, |n| n as i32 + 1);
    while left > 0 {
        left -= 1;
        let unit = 10u64.pow(left as u32);
        out.push(b'0' + (whole / unit) as u8);
        whole %= unit;
        let rest = (whole << shift) + part;
        if rest <= within {
            round(&mut out, off, within, rest, unit << shift);
            return (out, exponent + left);
        }
    }
    let mut places = 0;
    loop {
        part *= 10;
        within *= 10;
        off *= 10;
        out.push(b'0' + (part >> shift) as u8);
        part &= one - 1;
        places += 1;
        if part <= within {
            round(&mut out, off, within, part, one);
            return (out, exponent - places);
        }
    }
}

/// Lowers the last digit while that comes nearer to the exact number.
fn round(out: &mut [u8], off: u64, within: u64, mut rest: u64, unit: u64) {
    let Some(last) = out.last_mut() else { return };
    while rest < off
        && within - rest >= unit
        && (rest + unit < off || off - rest > rest + unit - off)
    {
        *last -= 1;
        rest += unit;
    }
}

/// The tabled power of ten that brings a number with this binary exponent near to 32 bits before
/// the point, and its decimal exponent.
fn power_of_ten(e: i32) -> (Wide, i32) {
    const ALPHA: i32 = -60;
    let f = ALPHA - e - 1;
    let k = f * 78913 / (1 << 18) + i32::from(f > 0);
    let index = (k - FIRST + STEP - 1) / STEP;
    let exponent = FIRST + index * STEP;
    // the power has 64 bits: floor(exponent * log2(10)) - 63
    let binary = ((i64::from(exponent) * 1_741_647) >> 19) as i32 - 63;
    (Wide { f: POWERS[index as usize], e: binary }, exponent)
}

const FIRST: i32 = -300;
const STEP: i32 = 8;

/// 10^k to 64 bits, rounded, for every eighth k from [`FIRST`] on.
#[rustfmt::skip]
const POWERS: [u64; 79] = [
    0xAB70_FE17_C79A_C6CA, 0xFF77_B1FC_BEBC_DC4F, 0xBE56_91EF_416B_D60C, 0x8DD0_1FAD_907F_FC3C,
    0xD351_5C28_3155_9A83, 0x9D71_AC8F_ADA6_C9B5, 0xEA9C_2277_23EE_8BCB, 0xAECC_4991_4078_536D,
    0x823C_1279_5DB6_CE57, 0xC210_9436_4DFB_5637, 0x9096_EA6F_3848_984F, 0xD774_85CB_2582_3AC7,
    0xA086_CFCD_97BF_97F4, 0xEF34_0A98_172A_ACE5, 0xB238_67FB_2A35_B28E, 0x84C8_D4DF_D2C6_3F3B,
    0xC5DD_4427_1AD3_CDBA, 0x936B_9FCE_BB25_C996, 0xDBAC_6C24_7D62_A584, 0xA3AB_6658_0D5F_DAF6,
    0xF3E2_F893_DEC3_F126, 0xB5B5_ADA8_AAFF_80B8, 0x8762_5F05_6C7C_4A8B, 0xC9BC_FF60_34C1_3053,
    0x964E_858C_91BA_2655, 0xDFF9_7724_7029_7EBD, 0xA6DF_BD9F_B8E5_B88F, 0xF8A9_5FCF_8874_7D94,
    0xB944_7093_8FA8_9BCF, 0x8A08_F0F8_BF0F_156B, 0xCDB0_2555_6531_31B6, 0x993F_E2C6_D07B_7FAC,
    0xE45C_10C4_2A2B_3B06, 0xAA24_2499_6973_92D3, 0xFD87_B5F2_8300_CA0E, 0xBCE5_0864_9211_1AEB,
    0x8CBC_CC09_6F50_88CC, 0xD1B7_1758_E219_652C, 0x9C40_0000_0000_0000, 0xE8D4_A510_0000_0000,
    0xAD78_EBC5_AC62_0000, 0x813F_3978_F894_0984, 0xC097_CE7B_C907_15B3, 0x8F7E_32CE_7BEA_5C70,
    0xD5D2_38A4_ABE9_8068, 0x9F4F_2726_179A_2245, 0xED63_A231_D4C4_FB27, 0xB0DE_6538_8CC8_ADA8,
    0x83C7_088E_1AAB_65DB, 0xC45D_1DF9_4271_1D9A, 0x924D_692C_A61B_E758, 0xDA01_EE64_1A70_8DEA,
    0xA26D_A399_9AEF_774A, 0xF209_787B_B47D_6B85, 0xB454_E4A1_79DD_1877, 0x865B_8692_5B9B_C5C2,
    0xC835_53C5_C896_5D3D, 0x952A_B45C_FA97_A0B3, 0xDE46_9FBD_99A0_5FE3, 0xA59B_C234_DB39_8C25,
    0xF6C6_9A72_A398_9F5C, 0xB7DC_BF53_54E9_BECE, 0x88FC_F317_F222_41E2, 0xCC20_CE9B_D35C_78A5,
    0x9816_5AF3_7B21_53DF, 0xE2A0_B5DC_971F_303A, 0xA8D9_D153_5CE3_B396, 0xFB9B_7CD9_A4A7_443C,
    0xBB76_4C4C_A7A4_4410, 0x8BAB_8EEF_B640_9C1A, 0xD01F_EF10_A657_842C, 0x9B10_A4E5_E991_3129,
    0xE710_9BFB_A19C_0C9D, 0xAC28_20D9_623B_F429, 0x8044_4B5E_7AA7_CF85, 0xBF21_E440_03AC_DD2D,
    0x8E67_9C2F_5E44_FF8F, 0xD433_179D_9C8C_B841, 0x9E19_DB92_B4E3_1BA9,
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: f64) -> String {
        let (digits, exponent) = digits(value);
        format!("{}e{exponent}", String::from_utf8(digits).unwrap())
    }

    #[test]
    fn the_digits_are_those_that_nix_writes() {
        // all but the first two are not the nearest shortest ones
        assert_eq!(text(0.3), "3e-1");
        assert_eq!(text(f64::MAX), "17976931348623157e292");
        assert_eq!(text(5.138_412_567_885_338e16), "51384125678853376e0");
        assert_eq!(text(580_753_296_487_204.8), "5807532964872047e-1");
        assert_eq!(text(1.187_217_676_912_464_3e-204), "11872176769124644e-220");
        assert_eq!(text(3.247_352_826_117_047e-250), "32473528261170467e-266");
    }

    proptest! {
        #[test]
        fn the_digits_read_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits).abs();
            prop_assume!(value.is_finite() && value != 0.0);
            prop_assert_eq!(text(value).parse::<f64>().unwrap(), value);
        }
    }
}
