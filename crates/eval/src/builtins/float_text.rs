//! Floating-point numbers as text, in the three forms that the language has.

/// As C's `%f`: six digits after the point. The form of `toString` and of string
/// interpolation's relatives.
pub(crate) fn fixed(number: f64) -> String {
    special(number).map_or_else(|| format!("{number:.6}"), str::to_owned)
}

/// As C's `%g`: six significant digits, without trailing zeros, with an exponent
/// if that is below -4 or above 5. The form in which values are printed.
pub(crate) fn short(number: f64) -> String {
    const PRECISION: i32 = 6;
    if let Some(name) = special(number) {
        return name.to_owned();
    }
    if number == 0.0 {
        return if number.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let scientific = format!("{:.*e}", (PRECISION - 1) as usize, number);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..PRECISION).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        let mantissa = without_trailing_zeros(mantissa);
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let decimals = (PRECISION - 1 - exponent).max(0) as usize;
    without_trailing_zeros(&format!("{number:.decimals$}")).to_owned()
}

/// The shortest text that reads back as the same number, in JSON's grammar and
/// always recognisable as a floating-point number. Not a number and infinities
/// have no such text and become `null`.
pub(crate) fn json(number: f64) -> String {
    /// Up to this many digits before the point are written without exponent.
    const MAX_POINT: i32 = 15;
    const MIN_POINT: i32 = -4;
    if !number.is_finite() {
        return "null".to_owned();
    }
    let sign = if number.is_sign_negative() { "-" } else { "" };
    if number == 0.0 {
        return format!("{sign}0.0");
    }
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    // The place of the decimal point, counted from the first digit.
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let count = digits.len() as i32;
    let text = if count <= point && point <= MAX_POINT {
        format!("{digits}{}.0", "0".repeat((point - count) as usize))
    } else if 0 < point && point <= MAX_POINT {
        let (whole, fraction) = digits.split_at(point as usize);
        format!("{whole}.{fraction}")
    } else if MIN_POINT < point && point <= 0 {
        format!("0.{}{digits}", "0".repeat(-point as usize))
    } else {
        let (first, rest) = digits.split_at(1);
        let separator = if rest.is_empty() { "" } else { "." };
        let exponent = point - 1;
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        format!("{first}{separator}{rest}e{exponent_sign}{:02}", exponent.abs())
    };
    format!("{sign}{text}")
}

fn special(number: f64) -> Option<&'static str> {
    match number {
        _ if number.is_nan() && number.is_sign_negative() => Some("-nan"),
        _ if number.is_nan() => Some("nan"),
        f64::INFINITY => Some("inf"),
        f64::NEG_INFINITY => Some("-inf"),
        _ => None,
    }
}

fn without_trailing_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let cases = [
            (1.0, "1.000000", "1", "1.0"),
            (0.1, "0.100000", "0.1", "0.1"),
            (-0.5, "-0.500000", "-0.5", "-0.5"),
            (1e10, "10000000000.000000", "1e+10", "10000000000.0"),
            (123456.0, "123456.000000", "123456", "123456.0"),
            (1234567.0, "1234567.000000", "1.23457e+06", "1234567.0"),
            (0.0001, "0.000100", "0.0001", "0.0001"),
            (0.00001, "0.000010", "1e-05", "1e-05"),
            (1e15, "1000000000000000.000000", "1e+15", "1e+15"),
            (1e14, "100000000000000.000000", "1e+14", "100000000000000.0"),
            (1.5e300, "", "1.5e+300", "1.5e+300"),
            (2.302585092994045, "2.302585", "2.30259", "2.302585092994045"),
            (999999.5, "999999.500000", "1e+06", "999999.5"),
            (-0.0, "-0.000000", "-0", "-0.0"),
        ];
        for (number, fixed_text, short_text, json_text) in cases {
            if !fixed_text.is_empty() {
                assert_eq!(fixed(number), fixed_text);
            }
            assert_eq!(short(number), short_text);
            assert_eq!(json(number), json_text);
        }
        assert_eq!(json(f64::NAN), "null");
        assert_eq!(short(f64::INFINITY), "inf");
    }
}
