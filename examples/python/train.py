#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""train.py: trains a network, predicts with it, and takes the weights of another out of a PyTorch state dict."""
import sys

import convnet

train, test = (convnet.Dataset.synthetic(split, count, seed=1) for split, count in (("train", 4000), ("test", 1000)))
model = convnet.Model.session8()
trainer = convnet.Trainer(model, train, test, optimizer={"kind": "adamw", "learning_rate": 0.003})
trainer.fit(3, on_epoch=lambda epoch: print(f"epoch {epoch.epoch}: test accuracy {100 * epoch.test_accuracy:.1f} %"))
model.save("train.safetensors")

scores = convnet.Predictor(model)(test.image(0))  # uint8 [1, 3, 32, 32] to float32 [1, 10]
print("test image 0 is a", test.class_names[test.label(0)], "and the network says", test.class_names[scores.argmax()])

# In Python with PyTorch: safetensors.torch.save_file(net.state_dict(), "resnet18.pt.safetensors")
for path in sys.argv[1:]:
    resnet = convnet.Model.zoo("resnet18").load_tensors(path)
    print(path, "makes a network of", resnet.parameter_count, "parameters")
