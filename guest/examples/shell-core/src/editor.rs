//! The line that somebody types.
use alloc::string::String;

/// Characters of a line at most.
const LENGTH_MAX: usize = 200;

/// A key that means something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// A character.
    Character(char),
    /// The line is done.
    Enter,
    /// Without the last character.
    Backspace,
}

/// A line in the making.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Editor {
    line: String,
}

impl Editor {
    /// Somebody presses a key. What is echoed goes to `echo`; the line, if it is done.
    pub fn press(&mut self, key: Key, echo: &mut String) -> Option<String> {
        match key {
            Key::Enter => {
                echo.push('\n');
                return Some(core::mem::take(&mut self.line));
            }
            Key::Backspace => {
                if self.line.pop().is_some() {
                    echo.push_str("\u{8} \u{8}");
                }
            }
            Key::Character(character) => {
                if !character.is_control() && self.line.chars().count() < LENGTH_MAX {
                    self.line.push(character);
                    echo.push(character);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_is_left_of_what_was_typed() {
        let mut editor = Editor::default();
        let mut echo = String::new();
        for character in "pss".chars() {
            assert_eq!(editor.press(Key::Character(character), &mut echo), None);
        }
        assert_eq!(editor.press(Key::Backspace, &mut echo), None);
        let line = editor.press(Key::Enter, &mut echo);
        assert_eq!(line.as_deref(), Some("ps"));
        assert_eq!(echo, "pss\u{8} \u{8}\n");
        assert_eq!(editor.press(Key::Backspace, &mut echo), None);
        assert_eq!(editor.press(Key::Enter, &mut echo).as_deref(), Some(""));
    }
}
