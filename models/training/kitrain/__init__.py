"""Training of the networks that KiView ships: data, network, training, scores, export."""
