//! What a display has is what is seen.
#![expect(
    clippy::tests_outside_test_module,
    reason = "the lint does not know integration tests"
)]
use adapter::display::{Mode, Palette};
use admin::Picture;
use screen::{BadPicture, Image, PIXEL_BYTES, Rectangle, Screen};

const RED: [u8; 3] = [0xAA, 0, 0];
const BLUE: [u8; 3] = [0, 0, 0xAA];

fn picture(mode: Mode, chunks: Vec<(u32, Vec<u8>)>) -> Picture {
    Picture {
        version: 7,
        mode: mode.number(),
        cursor: [0; 3],
        palette: Vec::new(),
        chunks,
        misread: 0,
    }
}

fn shown(picture: &Picture) -> Image {
    let mut screen = Screen::default();
    assert_eq!(screen.apply(picture), Ok(true));
    assert_eq!(screen.version(), 7);
    screen.render()
}

fn pixel(image: &Image, x: usize, y: usize) -> [u8; 3] {
    let at = (y * image.width() + x) * PIXEL_BYTES;
    let [red, green, blue, 255] = image.rgba()[at..][..PIXEL_BYTES] else {
        panic!("a pixel that is not opaque");
    };
    [red, green, blue]
}

#[test]
fn bytes_are_colours_of_the_palette() {
    for (mode, width, height) in [(Mode::Low, 320, 200), (Mode::Palette, 640, 480)] {
        let mut picture = picture(mode, vec![(width + 2, vec![4, 1])]);
        let image = shown(&picture);
        assert_eq!((image.width(), image.height()), (width as usize, height));
        let seen = [1, 2, 3, 4].map(|x| pixel(&image, x, 1));
        assert_eq!(seen, [[0; 3], RED, BLUE, [0; 3]]);

        let mut palette = Palette::default();
        palette.0[4] = [1, 2, 3];
        picture.palette = palette.0.as_flattened().to_vec();
        assert_eq!(pixel(&shown(&picture), 2, 1), [1, 2, 3]);
    }
}

#[test]
fn four_bytes_are_blue_green_red() {
    for mode in [Mode::Colour, Mode::Wide, Mode::High] {
        let geometry = mode.geometry();
        let last = u32::try_from(geometry.bytes() - 4).unwrap();
        let image = shown(&picture(mode, vec![(last, vec![1, 2, 3, 0x77])]));
        let (width, height) = (geometry.width, geometry.height);
        assert_eq!((image.width(), image.height()), (width, height));
        assert_eq!(pixel(&image, width - 1, height - 1), [3, 2, 1]);
    }
}

/// The pixels of a cell of text: `#` for its colour, `.` for its ground.
fn cell(image: &Image, column: usize, row: usize, ink: [u8; 3], ground: [u8; 3]) -> String {
    let mut drawn = String::new();
    for y in 0..16 {
        for x in 0..8 {
            let found = pixel(image, column * 8 + x, row * 16 + y);
            assert!(found == ink || found == ground, "{found:?}");
            drawn.push(if found == ink { '#' } else { '.' });
        }
        drawn.push('\n');
    }
    drawn
}

#[test]
fn characters_have_shapes_and_attributes() {
    let at = 2 * (80 * 3 + 5);
    let image = shown(&picture(Mode::Text, vec![(at, vec![b'L', 0x14])]));
    assert_eq!((image.width(), image.height()), (640, 400));
    let drawn = cell(&image, 5, 3, RED, BLUE);
    let rows = [
        ".###....", "..#.....", "..#.....", "..#.....", "..#.....", "..#...#.", ".######.",
        "........",
    ];
    let expected: String = rows.map(|row| format!("{row}\n{row}\n")).concat();
    assert_eq!(drawn, expected);
    assert_eq!(pixel(&image, 6 * 8, 3 * 16), [0; 3]);
}

#[test]
fn the_cursor_underlines_in_text_only() {
    let mut seen = picture(Mode::Text, vec![(0, vec![b' ', 0x14])]);
    seen.cursor = [1, 0, 0];
    let drawn = cell(&shown(&seen), 0, 0, RED, BLUE);
    assert_eq!(drawn, "........\n".repeat(14) + &"########\n".repeat(2));
    // Where nothing was written it is to be seen, too.
    seen.cursor = [1, 1, 0];
    assert_eq!(pixel(&shown(&seen), 8, 15), [0xAA; 3]);
    seen.cursor = [0, 0, 0];
    assert!(!cell(&shown(&seen), 0, 0, RED, BLUE).contains('#'));
    seen.cursor = [1, 0, 0];
    seen.mode = Mode::Low.number();
    assert_eq!(
        shown(&seen),
        shown(&Picture {
            cursor: [0; 3],
            ..seen
        })
    );
}

#[test]
fn what_has_not_changed_stays() {
    let mut screen = Screen::default();
    assert_eq!(
        screen.apply(&picture(Mode::Low, vec![(0, vec![4; 640])])),
        Ok(true)
    );
    assert_eq!(screen.apply(&picture(Mode::Low, vec![])), Ok(false));
    let before = screen.render();
    assert_eq!(
        screen.apply(&picture(Mode::Low, vec![(322, vec![1, 4, 4, 1])])),
        Ok(true)
    );
    let after = screen.render();
    assert_eq!(pixel(&after, 0, 0), RED);
    assert_eq!(pixel(&after, 2, 1), BLUE);

    let part = Rectangle {
        x: 2,
        y: 1,
        width: 4,
        height: 1,
    };
    assert_eq!(after.changes(&before), [part]);
    assert_eq!(after.changes(&after), []);
    let mut cut = Vec::new();
    after.cut(part, &mut cut);
    let expected = [
        [0, 0, 0xAA, 255],
        [0xAA, 0, 0, 255],
        [0xAA, 0, 0, 255],
        [0, 0, 0xAA, 255],
    ];
    assert_eq!(cut, expected.concat());
    let text = Screen::default().render();
    assert_eq!(text.changes(&after), [text.whole()]);
}

#[test]
fn rows_that_follow_one_another_change_together() {
    let plain = shown(&picture(Mode::Low, vec![]));
    let dots = [(5, 3), (9, 4), (7, 6)].map(|(x, y)| (y * 320 + x, vec![1]));
    let dotted = shown(&picture(Mode::Low, dots.to_vec()));
    let first = Rectangle {
        x: 5,
        y: 3,
        width: 5,
        height: 2,
    };
    let second = Rectangle {
        x: 7,
        y: 6,
        width: 1,
        height: 1,
    };
    assert_eq!(dotted.changes(&plain), [first, second]);
}

#[test]
fn a_picture_that_no_adapter_has_changes_nothing() {
    let good = picture(Mode::Low, vec![(0, vec![4])]);
    let mut screen = Screen::default();
    assert_eq!(screen.apply(&good), Ok(true));
    let before = screen.render();
    let first = (0, vec![9]);
    for (bad, why) in [
        (
            Picture {
                mode: 6,
                chunks: vec![first.clone()],
                ..good.clone()
            },
            BadPicture::Mode(6),
        ),
        (
            Picture {
                palette: vec![1; 767],
                chunks: vec![first.clone()],
                ..good.clone()
            },
            BadPicture::Palette(767),
        ),
        (
            Picture {
                cursor: [1, 80, 0],
                ..good.clone()
            },
            BadPicture::Cursor([1, 80, 0]),
        ),
        (
            Picture {
                chunks: vec![first, (3_145_727, vec![1, 2])],
                ..good.clone()
            },
            BadPicture::Chunk(3_145_727, 2),
        ),
    ] {
        assert_eq!(screen.apply(&bad), Err(why));
        assert_eq!(screen.render(), before);
    }
}

#[test]
fn a_file_has_every_pixel() {
    let image = shown(&picture(Mode::Text, vec![(0, vec![0xB1, 0x1E])]));
    let file = image.to_png();
    let mut reader = png::Decoder::new(std::io::Cursor::new(file))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (640, 400));
    assert_eq!(pixels, image.rgba());
}
