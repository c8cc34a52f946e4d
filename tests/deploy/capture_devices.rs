//! A process can make 65,536 capture devices, which captures on many threads must not use up.

use burn::tensor::Device;
use burn_prune_deploy::Graph;

use examples_shared::nets::convolutional::Mlp;

use crate::random::example;

/// The number that the next capture device has.
fn next_device() -> u64 {
    let text = format!("{:?}", Device::capture());
    let digits = text.chars().filter(char::is_ascii_digit);
    digits.collect::<String>().parse().unwrap()
}

fn capture(model: &Mlp) -> Graph {
    let input = example([1, 6], &Device::flex());
    Graph::capture(model, input, Mlp::forward).unwrap()
}

#[test]
fn captures_on_thousands_of_threads_share_a_few_devices() {
    let model = Mlp::new(&[6, 4, 3], &Device::flex());
    let expected = capture(&model);
    let before = next_device();
    for _ in 0..500 {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| capture(&model))).collect();
            for thread in threads {
                assert_eq!(thread.join().unwrap(), expected);
            }
        });
    }
    // Other tests capture at the same time.
    let made = next_device() - before;
    assert!(made < 500, "{made} devices for 2,000 captures");
}

#[test]
fn a_forward_pass_may_capture_another_model() {
    let model = Mlp::new(&[6, 4, 3], &Device::flex());
    let expected = capture(&model);
    let forward = |outer: &Mlp, x| {
        assert_eq!(capture(&model), expected);
        outer.forward(x)
    };
    let input = example([1, 6], &Device::flex());
    assert_eq!(Graph::capture(&model, input, forward).unwrap(), expected);
}
