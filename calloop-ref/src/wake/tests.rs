//! The wake protocol: by example, and, under `--cfg loom`, in every interleaving.

use super::*;

/// A notifier that counts, and that a model of the loop can wait for.
struct Kernel {
    #[cfg(not(loom))]
    notified: std::sync::Mutex<usize>,
    #[cfg(loom)]
    notified: loom::sync::Mutex<usize>,
    #[cfg(loom)]
    changed: loom::sync::Condvar,
}

impl Kernel {
    #[cfg(not(loom))]
    fn new() -> Self {
        Kernel { notified: std::sync::Mutex::new(0) }
    }

    #[cfg(loom)]
    fn new() -> Self {
        Kernel { notified: loom::sync::Mutex::new(0), changed: loom::sync::Condvar::new() }
    }
}

impl Notify for Kernel {
    fn notify(&self) {
        *self.notified.lock().unwrap() += 1;
        #[cfg(loom)]
        self.changed.notify_one();
    }
}

type Queue = Arc<WakeQueue<Kernel>>;
type Node = WakeNode<Kernel>;

fn queue() -> Queue {
    WakeQueue::new(Kernel::new())
}

fn token(epoch: u64) -> Token {
    Token::new(1, 2, epoch)
}

fn bound_node(queue: &Queue, epoch: u64) -> Node {
    let node = WakeNode::new();
    node.bind(queue, token(epoch)).unwrap();
    node
}

fn take(queue: &Queue) -> Vec<Node> {
    let mut batch = VecDeque::new();
    queue.wake_up(&mut batch);
    batch.into()
}

#[cfg(not(loom))]
mod examples {
    use super::*;

    fn notifications(queue: &Queue) -> usize {
        *queue.notifier().notified.lock().unwrap()
    }

    #[test]
    fn wake_ups_coalesce_and_keep_their_order() {
        let queue = queue();
        let nodes: Vec<Node> = (1..=3).map(|epoch| bound_node(&queue, epoch)).collect();
        for turn in [2, 0, 2, 1, 0] {
            nodes[turn].wake();
        }
        let order: Vec<u64> = take(&queue).iter().map(|node| node.token().unwrap().epoch).collect();
        assert_eq!(order, [3, 1, 2]);
        assert_eq!(notifications(&queue), 0, "a loop that is awake needs no system call");
        assert!(take(&queue).is_empty());
    }

    #[test]
    fn only_the_first_wake_up_of_a_sleeper_notifies() {
        let queue = queue();
        let nodes = [bound_node(&queue, 1), bound_node(&queue, 2)];
        assert!(queue.fall_asleep());
        assert!(queue.fall_asleep(), "it may announce that again");
        nodes.iter().for_each(Node::wake);
        assert_eq!(notifications(&queue), 1);
        assert!(!queue.fall_asleep(), "somebody waits to be heard");
        assert_eq!(take(&queue).len(), 2);
    }

    #[test]
    fn what_came_before_the_registration_is_passed_on() {
        let queue = queue();
        let node: Node = WakeNode::new();
        node.wake();
        node.bind(&queue, token(1)).unwrap();
        assert_eq!(take(&queue).len(), 1);
        node.answer();
        node.unbind().unwrap();
        node.close();
        assert!(take(&queue).is_empty());
        node.bind(&queue, token(2)).unwrap();
        assert_eq!(take(&queue)[0].answer(), Answer { pinged: false, closed: true });
        node.rebind(token(3)).unwrap();
        assert!(take(&queue).is_empty(), "the end is told once");
    }

    #[test]
    fn a_wake_up_that_nobody_answered_comes_again() {
        let queue = queue();
        let node = bound_node(&queue, 1);
        node.wake();
        let taken = take(&queue).remove(0);
        taken.begin_delivery();
        taken.end_delivery();
        let taken = take(&queue).remove(0);
        taken.begin_delivery();
        assert!(taken.answer().pinged);
        taken.end_delivery();
        assert!(take(&queue).is_empty());
    }

    #[test]
    fn a_wake_up_during_the_answer_comes_next_time() {
        let queue = queue();
        let node = bound_node(&queue, 1);
        node.wake();
        let taken = take(&queue).remove(0);
        taken.begin_delivery();
        taken.answer();
        node.wake();
        taken.end_delivery();
        assert_eq!(take(&queue).len(), 1, "once, not twice");
    }

    #[test]
    fn a_node_that_moved_takes_its_wake_up_along() {
        let (old, new) = (queue(), queue());
        let node = bound_node(&old, 1);
        node.wake();
        node.unbind().unwrap();
        node.bind(&new, token(2)).unwrap();
        let stale = take(&old).remove(0);
        assert_eq!(stale.token(), Some(token(2)), "a token that is not live in the old loop");
        stale.put_back();
        assert_eq!(take(&new).len(), 1);
        assert!(take(&old).is_empty());
    }

    #[test]
    fn a_closed_queue_keeps_nothing_and_lets_go() {
        let (old, new) = (queue(), queue());
        let node = bound_node(&old, 1);
        node.wake();
        assert!(node.bind(&new, token(2)).is_err(), "it is registered");
        old.close();
        node.wake();
        node.bind(&new, token(2)).unwrap();
        assert_eq!(take(&new).len(), 1, "the wake-ups outlive the loop they did not reach");
    }

    #[test]
    fn nodes_are_freed_with_the_queue() {
        let queue = queue();
        let node = bound_node(&queue, 1);
        node.wake();
        assert_eq!(Arc::strong_count(&node.0), 2);
        queue.close();
        assert_eq!(Arc::strong_count(&node.0), 1);
        assert_eq!(Arc::strong_count(&queue), 2, "the registration lasts until it is ended");
        node.unbind().unwrap();
        assert_eq!(Arc::strong_count(&queue), 1);
    }
}

/// Every interleaving, by `RUSTFLAGS="--cfg loom" cargo test --release -p calloop-ref wake`.
///
/// A lost wake-up shows as a deadlock: the loop waits for a notification that nobody sends.
#[cfg(loom)]
mod interleavings {
    use super::*;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    fn model(test: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        // Every known lost wake-up needs two preemptions; three keep the run under minutes.
        builder.preemption_bound = Some(3);
        builder.check(test);
    }

    /// One dispatch of the loop: sleeps unless something is there, then answers what woke it.
    fn dispatch(queue: &Queue, mut answered: impl FnMut(&Node, Answer)) {
        if queue.fall_asleep() {
            let kernel = queue.notifier();
            let mut notified = kernel.notified.lock().unwrap();
            while *notified == 0 {
                notified = kernel.changed.wait(notified).unwrap();
            }
            *notified = 0;
        }
        for node in take(queue) {
            node.begin_delivery();
            let answer = node.answer();
            answered(&node, answer);
            node.end_delivery();
        }
    }

    /// Messages are queued before the wake-up; none may be left behind when the loop sleeps.
    fn no_message_is_left_behind(senders: usize, messages_each: usize) {
        let queue = queue();
        let node = bound_node(&queue, 1);
        let messages = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..senders)
            .map(|_| {
                let (node, messages) = (node.clone(), messages.clone());
                thread::spawn(move || {
                    for _ in 0..messages_each {
                        // Relaxed: it is the wake-up that has to make it visible.
                        messages.fetch_add(1, Ordering::Relaxed);
                        node.wake();
                    }
                })
            })
            .collect();
        let mut received = 0;
        while received < senders * messages_each {
            dispatch(&queue, |_, answer| {
                assert!(answer.pinged);
                received = messages.load(Ordering::Relaxed);
            });
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        // The last wake-up may be left over: its message was found with the one before.
        queue.close();
    }

    #[test]
    fn one_sender_of_two_messages() {
        model(|| no_message_is_left_behind(1, 2));
    }

    #[test]
    fn two_senders() {
        model(|| no_message_is_left_behind(2, 1));
    }

    #[test]
    fn two_nodes_from_two_threads() {
        model(|| {
            let queue = queue();
            let nodes = [bound_node(&queue, 1), bound_node(&queue, 2)];
            let threads = nodes.clone().map(|node| thread::spawn(move || node.wake()));
            let mut seen = [0, 0];
            while seen != [1, 1] {
                dispatch(&queue, |node, _| seen[node.token().unwrap().epoch as usize - 1] += 1);
            }
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }

    #[test]
    fn the_end_is_told_after_the_last_message() {
        model(|| {
            let queue = queue();
            let node = bound_node(&queue, 1);
            let message = Arc::new(AtomicUsize::new(0));
            let thread = {
                let (node, message) = (node.clone(), message.clone());
                thread::spawn(move || {
                    message.store(1, Ordering::Relaxed);
                    node.wake();
                    node.close();
                })
            };
            let mut closed = false;
            while !closed {
                dispatch(&queue, |_, answer| {
                    closed |= answer.closed;
                    if answer.closed {
                        assert_eq!(message.load(Ordering::Relaxed), 1);
                    }
                });
            }
            thread.join().unwrap();
        });
    }

    #[test]
    fn a_wake_up_races_with_disable_and_enable() {
        model(|| {
            let queue = queue();
            let node = bound_node(&queue, 1);
            let thread = {
                let node = node.clone();
                thread::spawn(move || node.wake())
            };
            node.unbind().unwrap();
            node.bind(&queue, token(2)).unwrap();
            let mut answers = 0;
            while answers == 0 {
                dispatch(&queue, |_, answer| answers += usize::from(answer.pinged));
            }
            thread.join().unwrap();
            assert!(take(&queue).is_empty(), "one wake-up, one answer");
            assert_eq!(answers, 1);
        });
    }

    #[test]
    fn a_wake_up_races_with_a_move_to_another_loop() {
        model(|| {
            let (old, new) = (queue(), queue());
            let node = bound_node(&old, 1);
            let thread = {
                let node = node.clone();
                thread::spawn(move || node.wake())
            };
            node.unbind().unwrap();
            node.bind(&new, token(2)).unwrap();
            thread.join().unwrap();
            // The old loop finds a token that is not its own.
            for stale in take(&old) {
                stale.put_back();
            }
            let mut answers = 0;
            dispatch(&new, |_, answer| answers += usize::from(answer.pinged));
            assert_eq!(answers, 1);
            assert!(take(&old).is_empty() && take(&new).is_empty());
        });
    }

    #[test]
    fn a_wake_up_races_with_the_end_of_the_loop() {
        model(|| {
            let (old, new) = (queue(), queue());
            let node = bound_node(&old, 1);
            let thread = {
                let node = node.clone();
                thread::spawn(move || node.wake())
            };
            old.close();
            node.bind(&new, token(2)).unwrap();
            let mut answers = 0;
            while answers == 0 {
                dispatch(&new, |_, answer| answers += usize::from(answer.pinged));
            }
            thread.join().unwrap();
            assert!(take(&new).is_empty());
        });
    }
}
