//! What a browser is told of a picture: the parts that differ from what it shows.
//!
//! Numbers of two bytes, little-endian. First the picture's width and height; then for each
//! part left, top, width and height and its pixels, row by row, four bytes each: red, green,
//! blue, 255.
use screen::{Image, PIXEL_BYTES, Rectangle};

/// The difference; `None` if there is none.
pub(crate) fn encode(image: &Image, shown: Option<&Image>) -> Option<Vec<u8>> {
    let parts = shown.map_or_else(|| vec![image.whole()], |shown| image.changes(shown));
    if parts.is_empty() {
        return None;
    }
    let bytes = |part: &Rectangle| 8 + part.width * part.height * PIXEL_BYTES;
    let mut frame = Vec::with_capacity(4 + parts.iter().map(bytes).sum::<usize>());
    let put = |frame: &mut Vec<u8>, number: usize| {
        let number = u16::try_from(number).expect("no display is as large");
        frame.extend(number.to_le_bytes());
    };
    put(&mut frame, image.width());
    put(&mut frame, image.height());
    for part in parts {
        for number in [part.x, part.y, part.width, part.height] {
            put(&mut frame, number);
        }
        image.cut(part, &mut frame);
    }
    Some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use admin::Picture;
    use screen::Screen;

    #[test]
    fn only_what_differs_is_told() {
        let picture = |chunks| Picture {
            version: 1,
            mode: 1,
            cursor: [0; 3],
            palette: Vec::new(),
            chunks,
            misread: 0,
        };
        let mut screen = Screen::default();
        let mut seen = |chunks| {
            screen.apply(&picture(chunks)).unwrap();
            screen.render()
        };
        let (first, second) = (seen(vec![]), seen(vec![(321, vec![15])]));
        let whole = encode(&first, None).unwrap();
        assert_eq!(whole.len(), 4 + 8 + 320 * 200 * 4);
        assert_eq!(whole[..12], [64, 1, 200, 0, 0, 0, 0, 0, 64, 1, 200, 0]);
        let change = encode(&second, Some(&first)).unwrap();
        assert_eq!(change[..4], [64, 1, 200, 0]);
        assert_eq!(change[4..], [1, 0, 1, 0, 1, 0, 1, 0, 255, 255, 255, 255]);
        assert_eq!(encode(&second, Some(&second)), None);
    }
}
