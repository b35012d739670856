//! The QR code as a picture, when the caller prefers one.

use axum::http::{HeaderMap, header};
use qrcode::{Color, QrCode, render::svg};

/// The forms in which a code is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Png,
    Svg,
}

impl Form {
    /// What goes into `Content-Type`.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Png => "image/png",
            Self::Svg => "image/svg+xml",
        }
    }

    /// The form that the caller prefers. The better match wins a tie, JSON wins a second one; a caller that accepts
    /// none of them gets JSON.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let ranges: Vec<(String, u16)> = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(range)
            .collect();
        let mut best = (Self::Json, (0, 0));
        for form in [Self::Json, Self::Png, Self::Svg] {
            let rank = form.rank(&ranges);
            if rank.0 > 0 && rank > best.1 {
                best = (form, rank);
            }
        }
        best.0
    }

    /// Quality in thousandths, and how specific the range that decided it is.
    fn rank(self, ranges: &[(String, u16)]) -> (u16, u8) {
        let own = self.media_type();
        let family = format!("{}/*", own.split('/').next().unwrap_or_default());
        let specific = |range: &str| match range {
            "*/*" => Some(1),
            range if range == family => Some(2),
            range if range == own => Some(3),
            _ => None,
        };
        ranges
            .iter()
            .filter_map(|(range, quality)| specific(range).map(|precision| (*quality, precision)))
            .max_by_key(|(_, precision)| *precision)
            .unwrap_or((0, 0))
    }
}

fn range(text: &str) -> (String, u16) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let quality = parts
        .find_map(|parameter| parameter.strip_prefix(['q', 'Q'])?.strip_prefix('='))
        .map_or(1000, thousandths);
    (name, quality)
}

fn thousandths(quality: &str) -> u16 {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let whole: u16 = whole.parse().unwrap_or(0);
    (whole.min(1) * 1000 + digits.parse::<u16>().unwrap_or(0)).min(1000)
}

/// Pixels along one side of a module, and modules of white border: what scanners want.
const SCALE: usize = 8;
const BORDER: usize = 4;

/// The code as a black and white PNG.
pub(super) fn png(code: &str) -> Result<Vec<u8>, String> {
    let code = QrCode::new(code).map_err(|error| error.to_string())?;
    let modules = code.width();
    let colors = code.to_colors();
    let side = (modules + 2 * BORDER) * SCALE;
    let mut rows = vec![0xff_u8; side.div_ceil(8) * side];
    for (y, row) in rows.chunks_mut(side.div_ceil(8)).enumerate() {
        for x in 0..side {
            let module = (x / SCALE).checked_sub(BORDER).zip((y / SCALE).checked_sub(BORDER));
            let dark = module.is_some_and(|(column, line)| {
                column < modules && line < modules && colors[line * modules + column] == Color::Dark
            });
            if dark {
                row[x / 8] &= !(0x80 >> (x % 8));
            }
        }
    }
    let length = u32::try_from(side).map_err(|error| error.to_string())?;
    let mut picture = Vec::new();
    let mut encoder = png::Encoder::new(&mut picture, length, length);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header().map_err(|error| error.to_string())?;
    writer.write_image_data(&rows).map_err(|error| error.to_string())?;
    writer.finish().map_err(|error| error.to_string())?;
    Ok(picture)
}

/// The code as an SVG document.
pub(super) fn svg(code: &str) -> Result<Vec<u8>, String> {
    let code = QrCode::new(code).map_err(|error| error.to_string())?;
    Ok(code.render::<svg::Color<'_>>().min_dimensions(256, 256).build().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(value: &str) -> Form {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, value.parse().unwrap());
        Form::accepted(&headers)
    }

    #[test]
    fn a_picture_is_answered_to_who_prefers_one() {
        assert_eq!(accepted("image/png"), Form::Png);
        assert_eq!(accepted("image/svg+xml"), Form::Svg);
        assert_eq!(accepted("image/*"), Form::Png);
        assert_eq!(accepted("image/svg+xml;q=0.9, image/png;q=0.5"), Form::Svg);
        assert_eq!(accepted("image/png, */*;q=0.8"), Form::Png);
        assert_eq!(accepted("image/avif,image/svg+xml,*/*"), Form::Svg);
    }

    #[test]
    fn all_others_get_json() {
        assert_eq!(Form::accepted(&HeaderMap::new()), Form::Json);
        for value in [
            "*/*",
            "application/json",
            "text/html",
            "",
            "image/png;q=0",
            "application/json, image/png",
        ] {
            assert_eq!(accepted(value), Form::Json, "{value}");
        }
    }

    #[test]
    fn a_png_shows_the_modules_within_a_border() {
        let picture = png("https://example.org/").unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(picture)).read_info().unwrap();
        let mut rows = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rows).unwrap();
        let modules = QrCode::new("https://example.org/").unwrap().width();
        assert_eq!(info.width as usize, (modules + 2 * BORDER) * SCALE);
        let dark = |x: usize, y: usize| rows[y * info.line_size + x / 8] & (0x80 >> (x % 8)) == 0;
        // The corner of the border is light, the corner of the finder pattern within it is dark.
        assert!(!dark(0, 0) && dark(BORDER * SCALE, BORDER * SCALE));
    }
}
