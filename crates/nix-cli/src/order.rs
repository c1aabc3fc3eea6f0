//! The order that the C++ standard library of GCC (libstdc++) gives to equal elements.
//!
//! The reference sorts packages by name with `std::sort`, which keeps no order among
//! equal names, but always does the same with the same input. Its steps are known: an
//! introspective sort. Partitions around the median of three go down to 16 elements,
//! and an insertion sort of the whole finishes the work.

/// Elements below which partitions are left to the insertion sort.
const THRESHOLD: usize = 16;

/// The indices of so many elements in the order of `std::sort`, given which of two
/// comes first.
pub fn standard_order(count: usize, less: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut sort = Sort { items: (0..count).collect(), less };
    if count > 1 {
        sort.partitions(0, count, 2 * count.ilog2());
        sort.insertions(0, count.min(THRESHOLD));
        (THRESHOLD..count).for_each(|at| sort.insert(at));
    }
    sort.items
}

struct Sort<F> {
    items: Vec<usize>,
    less: F,
}

impl<F: Fn(usize, usize) -> bool> Sort<F> {
    /// Whether the element at one place comes before that at another.
    fn before(&self, a: usize, b: usize) -> bool {
        (self.less)(self.items[a], self.items[b])
    }

    fn partitions(&mut self, first: usize, mut last: usize, mut depth: u32) {
        while last - first > THRESHOLD {
            if depth == 0 {
                self.heap_sort(first, last);
                return;
            }
            depth -= 1;
            let middle = first + (last - first) / 2;
            let pivot = self.median(first + 1, middle, last - 1);
            self.items.swap(first, pivot);
            let cut = self.partition(first + 1, last, first);
            self.partitions(cut, last, depth);
            last = cut;
        }
    }

    /// The place of the middle one of three elements.
    fn median(&self, a: usize, b: usize, c: usize) -> usize {
        match (self.before(a, b), self.before(b, c), self.before(a, c)) {
            (true, true, _) | (false, false, false) => b,
            (true, false, true) | (false, true, false) => c,
            (true, false, false) | (false, _, true) => a,
        }
    }

    /// Puts what comes before the pivot in front of the rest; gives where that starts.
    fn partition(&mut self, mut first: usize, mut last: usize, pivot: usize) -> usize {
        loop {
            while self.before(first, pivot) {
                first += 1;
            }
            last -= 1;
            while self.before(pivot, last) {
                last -= 1;
            }
            if first >= last {
                return first;
            }
            self.items.swap(first, last);
            first += 1;
        }
    }

    fn insertions(&mut self, first: usize, last: usize) {
        for at in first + 1..last {
            if self.before(at, first) {
                self.items[first..=at].rotate_right(1);
            } else {
                self.insert(at);
            }
        }
    }

    /// Moves an element forward to where it belongs; something in front of it does not
    /// come after it.
    fn insert(&mut self, mut at: usize) {
        while at > 0 && self.before(at, at - 1) {
            self.items.swap(at, at - 1);
            at -= 1;
        }
    }

    /// What is done when partitions go wrong again and again.
    fn heap_sort(&mut self, first: usize, last: usize) {
        let count = last - first;
        (0..count / 2).rev().for_each(|hole| self.sift(first, hole, count));
        for end in (1..count).rev() {
            self.items.swap(first, first + end);
            self.sift(first, 0, end);
        }
    }

    /// Moves the hole down to a leaf, and the element that was in it up from there.
    fn sift(&mut self, first: usize, top: usize, count: usize) {
        let element = self.items[first + top];
        let mut hole = top;
        while 2 * hole + 2 < count {
            let right = first + 2 * hole + 2;
            let larger = if self.before(right, right - 1) { right - 1 } else { right };
            self.items[first + hole] = self.items[larger];
            hole = larger - first;
        }
        if 2 * hole + 2 == count {
            self.items[first + hole] = self.items[first + count - 1];
            hole = count - 1;
        }
        while hole > top && (self.less)(self.items[first + (hole - 1) / 2], element) {
            self.items[first + hole] = self.items[first + (hole - 1) / 2];
            hole = (hole - 1) / 2;
        }
        self.items[first + hole] = element;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(keys: &[u32]) -> Vec<usize> {
        let order = standard_order(keys.len(), |a, b| keys[a] < keys[b]);
        let mut seen = order.clone();
        seen.sort_unstable();
        assert!(seen.iter().copied().eq(0..keys.len()));
        assert!(order.windows(2).all(|pair| keys[pair[0]] <= keys[pair[1]]), "{keys:?}");
        order
    }

    #[test]
    fn everything_is_sorted() {
        let mut state = 1u32;
        let mut random = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        for count in 0..200 {
            check(&(0..count).map(|_| random(10)).collect::<Vec<_>>());
            check(&(0..count).collect::<Vec<_>>());
            check(&(0..count).rev().collect::<Vec<_>>());
            check(&vec![0; count as usize]);
        }
        let keys: Vec<u32> = (0..1000).map(|_| random(50)).collect();
        let mut sort = Sort { items: (0..1000).collect(), less: |a: usize, b: usize| keys[a] < keys[b] };
        sort.heap_sort(0, 1000);
        assert!(sort.items.windows(2).all(|pair| keys[pair[0]] <= keys[pair[1]]));
    }

    #[test]
    fn equal_elements_of_short_lists_keep_their_order() {
        assert_eq!(check(&[1, 0, 1, 0, 1]), [1, 3, 0, 2, 4]);
        // From 17 on they don't: computed by a program that calls `std::sort`.
        assert_eq!(check(&[0; 20]), EQUAL_20);
        let keys: Vec<u32> = (0..40).map(|number| number % 5).collect();
        assert_eq!(check(&keys), REMAINDERS_OF_40);
    }

    const REMAINDERS_OF_40: [usize; 40] = [
        0, 35, 5, 30, 25, 10, 20, 15, 1, 36, 31, 26, 21, 16, 11, 6, 12, 17, 37, 2, 22, 32, 7, 27, 13, 38, 3,
        33, 28, 8, 23, 18, 29, 4, 24, 34, 9, 19, 14, 39,
    ];
    const EQUAL_20: [usize; 20] = [10, 19, 18, 17, 16, 15, 14, 13, 12, 11, 0, 9, 8, 7, 6, 5, 4, 3, 2, 1];
}
