//! The committed modules do what their plain counterparts do.

use check::{End, Program, Setup};

const BANK: &[u8] = include_bytes!("../../../modules/bank.wasm");
const LISTS: &[u8] = include_bytes!("../../../modules/lists.wasm");
const RAYTRACER: &[u8] = include_bytes!("../../../modules/raytracer.wasm");
const WORDCOUNT: &[u8] = include_bytes!("../../../modules/wordcount.wasm");
const TINY: &str = include_str!("../../raytracer/scenes/tiny.scene");
const DEMO: &str = include_str!("../../raytracer/scenes/demo.scene");

fn words(arguments: &str) -> Vec<String> {
    arguments.split_whitespace().map(str::to_owned).collect()
}

fn program(module: &[u8], setup: Setup) -> Program {
    Program::new(module, setup).expect("the module is sound")
}

#[test]
fn a_picture_has_the_same_bytes_wherever_it_is_made() {
    let scene = raytracer_core::parse(TINY).expect("the scene is right");
    let mut expected = raytracer_core::blob_header(&scene).to_vec();
    (0..scene.height()).for_each(|row| expected.extend(scene.render_row(row)));
    assert_eq!(raytracer_core::blob_size(&expected), Some((48, 30)));
    for (nodes, workers, seed) in [(1, "1", 1), (3, "", 2), (16, "40", 3)] {
        let inputs = vec![TINY.into()];
        let setup = Setup {
            arguments: words(workers),
            inputs,
            nodes,
            seed,
        };
        let mut raytracer = program(RAYTRACER, setup);
        assert_eq!(raytracer.run(), End::Done(0));
        assert!(
            raytracer.result() == expected,
            "different pixels on {nodes} nodes"
        );
        assert_eq!(raytracer.progress(), (3, 3));
        assert_eq!(raytracer.output(), "rendered 48 by 30 pixels\n");
    }
}

#[test]
fn the_demonstration_is_a_scene() {
    let scene = raytracer_core::parse(DEMO).expect("the scene is right");
    assert_eq!((scene.width(), scene.height()), (640, 400));
}

#[test]
fn a_wrong_scene_is_explained() {
    let inputs = vec![b"image 10 10\nsphere at 0 0 zero".to_vec()];
    let mut raytracer = program(
        RAYTRACER,
        Setup {
            inputs,
            nodes: 2,
            ..Setup::default()
        },
    );
    assert_eq!(raytracer.run(), End::Exited(1));
    assert_eq!(
        raytracer.errors(),
        "raytracer: the scene file, line 2, column 15: expected a number from -1000000 to \
         1000000, found `zero`\n"
    );
}

#[test]
fn the_bank_keeps_its_total() {
    for (arguments, nodes, seed) in [
        ("10 500 4", 3, 1),
        ("1000 2000 16 7 5 64", 4, 2),
        ("1 10 1 9", 1, 3),
    ] {
        let arguments = words(arguments);
        let accounts: i64 = arguments[0].parse().expect("a number");
        let mut bank = program(
            BANK,
            Setup {
                arguments,
                nodes,
                seed,
                ..Setup::default()
            },
        );
        assert_eq!(bank.call("total", &[]).expect("a call"), -1, "not open yet");
        assert_eq!(bank.run(), End::Done(0));
        let total = bank.call("total", &[]).expect("a call");
        assert_eq!(total, accounts * 1000);
        assert!(
            String::from_utf8_lossy(bank.result())
                .starts_with(&format!("total {total} of {total}: as it must be"))
        );
        let sum: i64 = (0..accounts)
            .map(|account| bank.call("balance", &[account]).expect("a call"))
            .sum();
        assert_eq!(sum, total);
        assert_eq!(bank.call("balance", &[accounts]).expect("a call"), -1);
        assert_eq!(bank.call("balance", &[-1]).expect("a call"), -1);
    }
}

#[test]
fn transfers_from_outside_move_money() {
    let setup = Setup {
        arguments: words("2 0001 1"),
        nodes: 1,
        ..Setup::default()
    };
    let mut bank = program(BANK, setup);
    assert_eq!(bank.run(), End::Done(0));
    let before = bank.call("balance", &[0]).expect("a call");
    assert_eq!(bank.call("transfer", &[0, 1, 50]).expect("a call"), 1);
    assert_eq!(bank.call("balance", &[0]).expect("a call"), before - 50);
    assert_eq!(
        bank.call("transfer", &[0, 1, 5000]).expect("a call"),
        0,
        "not that rich"
    );
    assert_eq!(
        bank.call("transfer", &[0, 9, 1]).expect("a call"),
        0,
        "no such account"
    );
}

#[test]
fn a_bank_without_arguments_says_what_it_wants() {
    let mut bank = program(BANK, Setup::default());
    assert_eq!(bank.run(), End::Exited(1));
    assert!(
        bank.errors()
            .starts_with("bank: expected as arguments: accounts")
    );
}

#[test]
fn lists_grow_at_their_ends_and_show_what_was_there_before() {
    let mut lists = program(LISTS, Setup::default());
    let mut call = |name: &str, arguments: &[i64]| {
        lists.clear_result();
        let value = lists.call(name, arguments).expect("a call");
        (value, String::from_utf8_lossy(lists.result()).into_owned())
    };
    assert_eq!(call("append", &[3, 10]), (1, "3:\n".into()));
    assert_eq!(call("append", &[3, 11]), (1, "3: 10\n".into()));
    assert_eq!(
        call("append_reading", &[4, 12, 3]),
        (1, "4:\n3: 10 11\n".into())
    );
    assert_eq!(
        call("append_both", &[4, 13, 3]),
        (2, "4: 12\n3: 10 11\n".into())
    );
    assert_eq!(
        call("read", &[2, 3]),
        (5, "2:\n3: 10 11 13\n4: 12 13\n".into())
    );
    assert_eq!(call("append", &[8191, 1]), (1, "8191:\n".into()));
    for refused in [[-1, 1, 0], [0, 1, 8192], [0, 1, 0]] {
        assert_eq!(call("append_both", &refused), (-1, String::new()));
    }
    assert_eq!(call("read", &[8191, 2]), (-1, String::new()));
    assert_eq!(call("read", &[0, 3]), (0, "0:\n1:\n2:\n".into()));
}

#[test]
fn a_list_is_full_some_day() {
    let mut lists = program(LISTS, Setup::default());
    let appended = (0..1000).take_while(|&element| {
        let value = lists.call("append_reading", &[0, element, 1]);
        value.expect("a call") == 1
    });
    assert_eq!(appended.count(), 511);
    assert_eq!(lists.call("append_both", &[1, 1, 0]).expect("a call"), -1);
    assert_eq!(lists.call("read", &[0, 2]).expect("a call"), 511);
}

/// Text of words of very different frequency, some across the edges of chunks.
fn text(words: usize, mut seed: u64) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..words {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let word = (seed >> 33) % 5000;
        let word = word * word / 5000;
        text.extend(format!("w{word:x}").bytes().chain(*b" "));
        if seed >> 60 == 0 {
            text.extend("Größe'n,\n".bytes());
        }
    }
    text.extend([b'x'; 3000]);
    text
}

#[test]
fn words_are_counted_as_by_a_plain_program() {
    let inputs = vec![
        text(30_000, 1),
        Vec::new(),
        text(3000, 2),
        b"the end".to_vec(),
    ];
    let mut plain = wordcount_core::Counts::default();
    inputs.iter().for_each(|input| plain.add_text(input));
    for (chunk_kib, nodes, seed) in [("1", 5, 1), ("", 3, 2), ("4096", 1, 3)] {
        let setup = Setup {
            arguments: words(chunk_kib),
            inputs: inputs.clone(),
            nodes,
            seed,
        };
        let mut wordcount = program(WORDCOUNT, setup);
        assert_eq!(wordcount.run(), End::Done(0));
        assert!(
            wordcount.result() == plain.report(),
            "chunks of {chunk_kib} KiB"
        );
        let summary = format!("{} words, {} different\n", plain.total(), plain.words());
        assert_eq!(wordcount.output(), summary);
    }
}

#[test]
fn no_input_is_no_words() {
    let mut wordcount = program(
        WORDCOUNT,
        Setup {
            nodes: 1,
            ..Setup::default()
        },
    );
    assert_eq!(wordcount.run(), End::Done(0));
    assert_eq!(wordcount.output(), "0 words, 0 different\n");
}

#[test]
fn small_programs_stay_small() {
    for module in [BANK, RAYTRACER, WORDCOUNT] {
        let mut program = program(module, Setup::default());
        assert!(module.len() < 128 << 10);
        program.run();
        assert!(
            program.memory_bytes() < 4 << 20,
            "{} bytes",
            program.memory_bytes()
        );
    }
}
