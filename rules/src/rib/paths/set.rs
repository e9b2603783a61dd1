use super::PathRef;

/// Some paths of a table.
#[derive(Clone, Debug, Default)]
pub struct PathSet(Vec<bool>);

impl PathSet {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, path: PathRef) -> bool {
        self.0.get(path.0 as usize).copied().unwrap_or_default()
    }

    pub fn insert(&mut self, path: PathRef) {
        let i = path.0 as usize;
        if self.0.len() <= i {
            self.0.resize(i + 1, false);
        }
        self.0[i] = true;
    }

    pub fn iter(&self) -> impl Iterator<Item = PathRef> {
        (0..).zip(&self.0).filter(|(_, is_in)| **is_in).map(|(i, _)| PathRef(i))
    }
}
