# SPDX-License-Identifier: MIT
"""python_module.py: what python/convnet.py promises. Started by test_python.sh, which says where module, library and a
folder to write to are; the last test tells which functions of src/symbols.txt none of the others has called."""

import copy
import gc
import logging
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
import unittest

import numpy as np

import convnet

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = pathlib.Path(os.environ["WORK"])


def small_model(classes=10, side=8):
    """A network of two layers with parameters, with logits."""
    model = convnet.Model(3, side, side)
    model.append("conv", convnet.conv2d(3, 4, 3, padding=1)).append("relu", convnet.relu())
    model.append("pool", convnet.adaptive_avg_pool2d(1)).append("flatten", convnet.flatten())
    return model.append("fc", convnet.linear(4, classes)).init(1)


def small_data(count=40, classes=10, side=8):
    """Random pixels, labels in turn."""
    random = np.random.default_rng(1)
    return convnet.Dataset(random.integers(0, 256, (count, 3, side, side), np.uint8), np.arange(count) % classes, classes)


class Structs(unittest.TestCase):
    def test_layouts_are_the_compilers(self):
        facts = [line.split("\t") for line in (WORK / "facts").read_text(encoding="utf-8").splitlines()]
        checked = 0
        for key, value in facts:
            if not key.startswith("member "):
                continue
            struct, member = key.split()[1].split(".")
            size, offset = value.split(", ")[-1].replace(" bytes at ", " ").split()[:2]
            field = getattr(convnet._structs[struct], member)
            self.assertEqual((field.size, field.offset), (int(size), int(offset.split(",")[0])), key)
            checked += 1
        self.assertEqual(checked, sum(len(kind._fields_) for kind in convnet._structs.values()))

    def test_enums_are_the_compilers(self):
        facts = set((WORK / "facts").read_text(encoding="utf-8").splitlines())
        for kind, members in convnet._declared.enums.items():
            for member, value in members.items():
                self.assertIn(f"enumerator {member}\t{value} in {kind}", facts)
            self.assertEqual(list(convnet._enums[kind]), list(members.values()))

    def test_defaults_are_the_librarys_and_keywords_change_them(self):
        for name, kind in convnet._structs.items():
            if name + "_init" in convnet._declared.functions:
                self.assertEqual(kind().size, convnet.ctypes.sizeof(kind))
        options = convnet.TrainerOptions(loss="cross-entropy", batch_size=8, optimizer="adamw",
                                         schedule={"kind": "one-cycle", "epochs": 3})
        self.assertEqual((options.batch_size, options.test_batch_size, options.loss), (8, 128, 1))
        optimizer = convnet.OptimizerOptions.from_address(options.optimizer)
        self.assertEqual((optimizer.kind, round(optimizer.momentum, 6)), (convnet.OptimizerKind.ADAMW, 0.9))
        self.assertEqual(tuple(convnet.Conv2dOptions(padding=2, stride=(1, 3)).stride), (1, 3))

    def test_mistakes_are_pythons(self):
        with self.assertRaisesRegex(TypeError, "no 'learningrate', but kind, learning_rate"):
            convnet.OptimizerOptions(learningrate=1)
        with self.assertRaisesRegex(ValueError, "one of sgd, adam, adamw, muon, not 'adamm'"):
            convnet.OptimizerOptions(kind="adamm")
        with self.assertRaises(TypeError):
            convnet.TrainerOptions(batch_size="many")
        # What the library would take for an address.
        with convnet.Model.session8() as model, convnet.Dataset.synthetic("train", 8, seed=1) as data:
            for wrong in ("data", b"data", 5, model, [data], convnet.TrainerOptions()):
                with self.assertRaisesRegex(TypeError, "cn_trainer_new wants a Dataset, not "):
                    convnet.Trainer(model, wrong, None)
            with self.assertRaisesRegex(TypeError, "dataset wants a Dataset, not 'data'"):
                convnet.Report(model=model, dataset="data")
            with self.assertRaisesRegex(TypeError, "wants a History, not "):
                convnet.chart_curves([model])
            with self.assertRaisesRegex(TypeError, "cn_model_append wants a Layer, such as convnet.relu.., not 'relu'"):
                model.append("b", "relu")
            with self.assertRaisesRegex(TypeError, "cn_model_freeze wants a const char \\*, not 3"):
                model.freeze(3)
            with self.assertRaisesRegex(TypeError, "cannot be copied or pickled"):
                copy.copy(model)
            with self.assertRaisesRegex(ValueError, "has a NUL character"):
                model.save("a\0b.safetensors")
            pixels = np.zeros((1, 3, 32, 32), np.int64)
            with self.assertRaisesRegex(TypeError, "images are pixels, uint8 from 0 to 255, or normalised floats, not int64"):
                convnet.Predictor(model)(pixels)
            with self.assertRaisesRegex(TypeError, "labels are whole numbers, not float64"):
                convnet.Dataset.memory(pixels.astype(np.uint8), [0.9], 3)


class Lives(unittest.TestCase):
    def test_what_is_needed_lives_whatever_is_dropped_first(self):
        context = convnet.Context(threads=1)
        with context:
            model, data = small_model(), small_data()
            trainer, predictor = convnet.Trainer(model, data), convnet.Predictor(model)
            weight = model.tensor("fc.weight")
            self.assertGreater(context.memory, 0)
            handle = context._handle
            model.close()
            data.close()
            trainer.fit(1)
            with self.assertRaisesRegex(ValueError, "this Model is closed"):
                model.summary()
        with self.assertRaises(ValueError):
            predictor.run(np.zeros((1, 3, 8, 8), np.float32))
        self.assertEqual(weight.shape, (10, 4))
        self.assertTrue(np.isfinite(weight).all())
        self.assertGreater(len(handle.users), 0)
        del trainer, predictor, weight, model, data
        gc.collect()
        self.assertEqual(len(handle.users), 0)

    def test_all_memory_comes_back(self):
        context = convnet.Context(threads=1)
        at_first = context.memory
        model = convnet.Model.session8(context)
        images = convnet.Predictor(model)(np.zeros((3, 3, 32, 32), np.float32))
        part = model.until(model.layers[0].name)
        model.cycle = part.cycle = [model, part]  # garbage in a circle
        self.assertGreater(context.memory_peak, at_first)
        del model, part, images
        gc.collect()
        self.assertEqual(context.memory, at_first)

    def test_lent_arrays_keep_a_model_from_being_changed(self):
        model = small_model()
        weight = model.tensor("fc.weight")
        weight[:] = 0
        self.assertEqual(np.abs(model.tensor_const("fc.weight")).max(), 0)
        with self.assertRaises(ValueError):
            model.tensor_const("fc.weight")[0, 0] = 1
        with self.assertRaises(BufferError):
            model.replace_output(3)
        del weight
        model.replace_output(3).init(2)
        self.assertEqual(model.output_shape, (3, 1, 1))

    def test_threads_take_turns(self):
        model = small_model()
        predictor, images = convnet.Predictor(model), np.ones((8, 3, 8, 8), np.float32)
        wanted, wrong = predictor(images), []

        def ask(mine):
            for _ in range(20):
                if not np.array_equal(mine(images), wanted):
                    wrong.append(mine)

        threads = [threading.Thread(target=ask, args=[each]) for each in (predictor, predictor, predictor.clone())]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_tensors(self):
        tensor = convnet.Tensor.zeros((2, 3), "float32")
        view = np.asarray(tensor)
        view[1, 2] = 5
        self.assertEqual((tensor.dims, tensor.count, tensor.argmax(1), tensor.shape), (2, 6, 2, (2, 3)))
        array = np.arange(6, dtype=np.float32).reshape(2, 3)
        self.assertEqual(np.asarray(convnet.Tensor(array)).ctypes.data, array.ctypes.data)
        self.assertEqual(np.asarray(convnet.Tensor(array.T)).tolist(), array.T.tolist())
        self.assertEqual(convnet.Tensor(np.float64(2)).shape, ())
        with self.assertRaises(ValueError):
            convnet.Tensor(array.T, write=True)
        convnet.Tensor(array).save_npy(WORK / "array.npy")
        np.savez(WORK / "array.npz", one=array)
        self.assertTrue(np.array_equal(np.load(WORK / "array.npy"), array))
        self.assertTrue(np.array_equal(convnet.Tensor.load_npy(WORK / "array.npy"), array))
        self.assertTrue(np.array_equal(convnet.Tensor.load_npz(WORK / "array.npz", "one"), array))


class Errors(unittest.TestCase):
    def test_say_what_the_library_says(self):
        with self.assertRaisesRegex(convnet.Error, "nowhere") as caught:
            convnet.Model.load("/nowhere/at/all.safetensors")
        self.assertEqual(caught.exception.status, convnet.Status.IO)
        again = pickle.loads(pickle.dumps(caught.exception))
        self.assertEqual((str(again), again.status), (str(caught.exception), convnet.Status.IO))
        self.assertEqual(convnet.status_string("memory"), "out of memory")

    def test_a_layer_that_was_refused_is_gone(self):
        model, layer = small_model(), convnet.conv2d(7, 8, 3)
        with self.assertRaises(convnet.Error) as caught:
            model.append("next", layer)
        self.assertEqual(caught.exception.status, convnet.Status.SHAPE)
        with self.assertRaises(ValueError):
            small_model().append("next", layer)

    def test_log_goes_to_logging(self):
        with self.assertLogs("convnet", logging.WARNING):
            model = small_model()
            tensors = convnet.Tensors({**{name: model.tensor(name) for name in model.tensor_names}, "more": np.ones(2)})
            tensors.save(WORK / "more.safetensors")
            model.load_tensors(WORK / "more.safetensors")


class Oops(Exception):
    pass


class Callbacks(unittest.TestCase):
    def oops(self, *_):
        raise Oops

    def fails(self, **options):
        trainer = convnet.Trainer(small_model(), small_data(), **options)
        with self.assertRaises(Oops):
            trainer.fit(1)
        return trainer

    def test_what_they_raise_comes_out_of_fit(self):
        trainer = convnet.Trainer(small_model(), small_data())
        with self.assertRaises(Oops):
            trainer.fit(1, on_epoch=self.oops)
        trainer.fit(1)
        self.fails(on_batch=self.oops)
        self.fails(on_gradient=self.oops)
        self.fails(schedule={"kind": "custom", "rate": self.oops})
        self.fails(losses=[{"kind": "custom", "function": self.oops}])

    def test_and_out_of_what_asks_for_data(self):
        for kind in ({"fetch": self.oops, "classes": 2},
                     {"fetch_sample": self.oops, "dtype": "float32", "targets": [{"kind": "class", "classes": 2}]}):
            data = convnet.Dataset.callback(count=4, channels=3, height=8, width=8, **kind)
            with self.assertRaises(Oops):
                data.batch([0, 1])
            with self.assertRaises(Oops):
                convnet.Trainer(small_model(2), data).fit(1)
        model = small_model()
        with self.assertRaises(Oops):
            model.load_state_dict(model.state_dict(), report=self.oops)

    def test_tell_and_steer(self):
        seen = []
        self.assertGreater(convnet.Trainer.memory(small_model(), small_data(), batch_size=16, ema_decay=0.5),
                           convnet.Trainer.memory(small_model(), small_data(), batch_size=16))
        trainer = convnet.Trainer(small_model(), small_data(), batch_size=16, ema_decay=0.5, loss="cross-entropy",
                                  on_batch=lambda batch: seen.append((batch.batch, batch.images)),
                                  on_gradient=lambda model, batch: seen.append(np.abs(model.gradient("fc.bias")).max() > 0),
                                  schedule={"kind": "custom", "rate": lambda at: 0.5 / (1 + at.step)})
        trainer.fit(2, on_epoch=lambda epoch: epoch.epoch == 1)
        self.assertEqual(seen, [True, (1, 16), True, (2, 32), True, (3, 40)])
        self.assertEqual(trainer.epoch_count, 1)
        self.assertAlmostEqual(trainer.epoch_info(-1).learning_rate, 0.5 * (1 + 1 / 2 + 1 / 3) / 3, 5)

    def test_may_close_what_called_them(self):
        trainer, model = convnet.Trainer(small_model(), small_data(), on_batch=lambda batch: trainer.close()), small_model()
        trainer.fit(1)
        with self.assertRaises(ValueError):
            trainer.fit(1)
        model.load_state_dict(model.state_dict(), report=lambda *_: model.close())
        self.assertIsNone(model._handle)

    def test_communicators(self):
        told, ranks, parts = [], 2, {}
        meet = threading.Barrier(ranks).wait

        def communicator(rank):
            def exchange(send, receive, to_all):
                parts[rank] = np.array(send)
                meet()
                for other in range(ranks):
                    receive[other] = parts[other] if to_all else parts[other][rank]
                meet()

            def broadcast(data):
                parts[rank] = np.array(data)
                meet()
                data[:] = parts[0] if rank else data
                meet()

            return {"rank": rank, "ranks": ranks, "broadcast": broadcast, "wait": lambda request, seconds: True,
                    "all_gather": lambda send, receive: exchange(send, receive, True),
                    "all_to_all": lambda send, receive: exchange(send, receive, False)}

        def run(rank, **options):
            with convnet.Context(threads=1):
                trainer = convnet.Trainer(small_model(), small_data(64), batch_size=32, **options)
                trainer.fit(1)
                told.append((rank, trainer.epoch_info(0).train_loss))

        threads = [threading.Thread(target=run, args=[rank], kwargs={"communicator": communicator(rank)}) for rank in range(ranks)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        run(2)
        self.assertEqual([rank for rank, _ in sorted(told)], [0, 1, 2])
        self.assertEqual(len({loss for _, loss in told}), 1)
        with self.assertRaises(Oops):
            convnet.Trainer(small_model(), small_data(), batch_size=32, communicator={
                "ranks": 2, **dict.fromkeys(("all_gather", "all_to_all", "broadcast", "wait"), self.oops)})

    def test_interrupts_end_fit(self):
        trainer = convnet.Trainer(small_model(), small_data(), on_batch=lambda batch: os.kill(os.getpid(), signal.SIGINT))
        with self.assertRaises(KeyboardInterrupt):
            trainer.fit(1000)

    def test_own_loss_is_the_librarys(self):
        def squares(output, target, gradient):
            difference = output - target
            if gradient is not None:
                gradient[:] = 2 * difference / difference.size
            return float((difference ** 2).mean())

        results = []
        for loss in ({"kind": "mse"}, {"kind": "custom", "function": squares}):
            data = convnet.Dataset(np.random.default_rng(2).random((20, 3, 8, 8), np.float32))
            data.add_target(np.arange(40).reshape(20, 2) / 40, kind="vector", shape=(2, 1, 1))
            trainer = convnet.Trainer(small_model(2), data, losses=[loss])
            trainer.fit(2)
            results.append(trainer.epoch_info(1).train_loss)
        self.assertAlmostEqual(*results, 5)

    def test_trace_and_allocator(self):
        events, held = [], {}

        def allocate(size, alignment):
            memory = np.empty(size + alignment, np.uint8)
            address = -(-memory.ctypes.data // alignment) * alignment
            held[address] = memory
            return address

        with convnet.Context(threads=1, trace=events.append, allocate=allocate, release=held.pop) as context:
            self.assertEqual(context.device.threads, 1)
            convnet.Predictor(small_model())(np.zeros((1, 3, 8, 8), np.float32))
            self.assertTrue(held)
        gc.collect()
        self.assertFalse(held)
        self.assertIn("Conv2d", {event.type for event in events})

    def test_own_layers(self):
        def forward(at):
            at.output[:] = at.inputs[0] * at.parameters[0] * at.options.scale

        def backward(at):
            at.grad_inputs[0][:] = at.grad_output * at.parameters[0] * at.options.scale
            at.grad_parameters[0] += (at.grad_output * at.inputs[0]).sum() * at.options.scale

        with convnet.Context(threads=2) as context:
            context.register_layer("mine.Scale", forward, backward, options={"scale": (1.0, 0.0, 9.0), "times": 1},
                                   parameters=lambda options: [("weight", 1, options.times)],
                                   shape=lambda options, inputs: inputs[0],
                                   multiply_adds=lambda options, given, made: 7)
            model = convnet.Model(3, 8, 8).append("scale", convnet.custom_layer("mine.Scale", scale=2.0)).init()
            images = np.random.default_rng(3).random((17, 3, 8, 8), np.float32)
            self.assertTrue(np.array_equal(model.forward(images, training=True), images * 2))
            gradient = np.empty_like(images)
            model.backward(np.ones_like(images), gradient)
            self.assertEqual(np.unique(gradient).tolist(), [2])
            self.assertAlmostEqual(float(model.gradient("scale.weight")[0]) / float(2 * images.sum()), 1, 5)
            self.assertEqual(model.layers[0].multiply_adds, 7)
            model.save(WORK / "own.safetensors")
            self.assertEqual(convnet.Model.load(WORK / "own.safetensors").layers[0].type, "mine.Scale")
            with self.assertRaisesRegex(TypeError, "no option 'scales'"):
                convnet.custom_layer("mine.Scale", scales=2.0)
            with self.assertRaises(convnet.Error):
                convnet.custom_layer("mine.Scale", scale=10.0)
            context.register_layer("mine.Bad", self.oops, self.oops)
            with self.assertRaises(Oops):
                convnet.Model(3, 8, 8).append("bad", convnet.custom_layer("mine.Bad")).init().forward(images)


class Networks(unittest.TestCase):
    def test_every_layer(self):
        for height, layers in {
            8: [convnet.conv_transpose2d(3, 4, 2, stride=2), convnet.norm("group", 4, groups=2), convnet.layer_norm2d(4),
                convnet.local_response_norm(3), convnet.leaky_relu(), convnet.elu(), convnet.sigmoid(), convnet.tanh(),
                convnet.silu(), convnet.mish(), convnet.softplus(), convnet.hardtanh(), convnet.relu6(),
                convnet.hardsigmoid(), convnet.hardswish(), convnet.softsign(), convnet.affine(2, 1), convnet.prelu(),
                convnet.gelu("tanh"), convnet.dropout(0.1), convnet.max_pool2d(2), convnet.avg_pool2d((2, 1)),
                convnet.upsample(scale_factor=2, mode="bilinear"), convnet.adaptive_max_pool2d((4, 2)),
                convnet.identity(), convnet.pixel_shuffle(2), convnet.pixel_unshuffle(2), convnet.channel_shuffle(2),
                convnet.narrow(1, 2), convnet.pad2d((1, 1, 0, 0), "replicate"), convnet.reshape(-1, 1, 1),
                convnet.softmax(), convnet.log_softmax()]}.items():
            model = convnet.Model(3, height, height)
            for index, layer in enumerate(layers):
                model.append(str(index), layer)
            model.init()
            self.assertEqual(model.forward(np.zeros((2, 3, 8, 8))).shape, (2, 32))
        self.assertEqual(model.layer_count, len(layers))

    def test_graphs_of_several_inputs_and_outputs(self):
        model = convnet.Model(1, 4, 4)
        model.add_input("other", 1, 4, 4).add("add", convnet.add(), ["input", "other"])
        model.add("mul", convnet.mul(), ["input", "other"]).add("cat", convnet.concat(), ["add", "mul"])
        model.set_outputs("cat", "add").init_pytorch(3)
        self.assertEqual((model.input_names, model.output_names), (["input", "other"], ["cat", "add"]))
        self.assertEqual((model.input_shape_at(1), model.output_shape_at(0), model.input_shape), ((1, 4, 4), (2, 4, 4), (1, 4, 4)))
        a, b = np.random.default_rng(4).random((2, 5, 1, 4, 4), np.float32)
        for both, total in (model.forward_all(a, b, training=True), convnet.Predictor(model)(a, b)):
            self.assertTrue(np.allclose(both[:, 1], (a * b)[:, 0]) and np.allclose(total, a + b))
        gradients = [np.empty_like(a), np.empty_like(b)]
        model.forward_all(a, b, training=True)
        model.backward_all([None, np.ones_like(a)], gradients)
        self.assertEqual([np.unique(gradient).tolist() for gradient in gradients], [[1], [1]])

    def test_a_loop_of_ones_own(self):
        model, data = small_model(), small_data()
        optimizer = convnet.Optimizer(model, "sgd", learning_rate=0.1, groups=[{"pattern": "fc.*", "weight_decay": 0.1}])
        optimizer.learning_rate = 0.5
        self.assertEqual(optimizer.learning_rate, 0.5)
        losses, place = [], np.zeros(1, np.int64)
        images, labels = data.batch(range(40))
        for step in range(30):
            output = model.forward(images, training=True)
            gradient = np.empty_like(output)
            losses.append(convnet.loss_compute(output, labels, gradient, kind="cross-entropy"))
            model.accumulate_gradients(False)
            model.backward(gradient)
            model.clip_gradients_value(10.0)
            self.assertGreater(model.clip_gradients_norm(100.0), 0)
            optimizer.step()
            if step == 20:
                place[0] = step
                convnet.checkpoint_save(WORK / "loop.safetensors", model=model, optimizer=optimizer, tensors={"at": place})
                inside = convnet.checkpoint_save_memory(model=model, optimizer=optimizer, tensors={"at": place})
        self.assertLess(losses[-1], losses[0])
        self.assertEqual(model.training_passes, 30)
        for load in (lambda **what: convnet.checkpoint_load(WORK / "loop.safetensors", **what),
                     lambda **what: convnet.checkpoint_load_memory(inside, **what)):
            place[0] = 0
            load(model=model, optimizer=optimizer, tensors={"at": place})
            self.assertEqual((place[0], model.training_passes), (20, 21))
        model.training_passes = 5
        self.assertEqual(model.training_passes, 5)

    def test_files(self):
        model = convnet.Model.session8(norm="none", classes=3)
        model.set_class_names(["a", "ä", "c"])
        model.set_normalization([0.5] * 3, [0.25] * 3)
        model.set_self_test(np.full((1, 3, 32, 32), 7, np.uint8))
        images = np.random.default_rng(5).random((2, 3, 32, 32), np.float32)
        wanted = model.forward(images)
        model.save(WORK / "model.safetensors")
        model.save(WORK / "half.safetensors", weights="float16")
        model.save_onnx(WORK / "model.onnx")
        model.export_c(WORK / "model.c", name="small")
        for again in (convnet.Model.load(WORK / "model.safetensors"), convnet.Model.load_memory(model.save_memory())):
            self.assertTrue(np.array_equal(again.forward(images), wanted))
            self.assertEqual(again.class_names, ["a", "ä", "c"])
            self.assertEqual([array.tolist() for array in again.normalization], [[0.5] * 3, [0.25] * 3])
            self.assertLessEqual(again.self_test(), 1e-4)
            self.assertEqual(again.self_test_input().max(), 7)
            self.assertEqual(again.self_test_output().shape, (1, 3))
        self.assertIsNone(small_model().self_test_input())
        for again in (convnet.Model.load(WORK / "model.onnx"), convnet.Model.load_memory(model.save_onnx_memory()),
                      convnet.Model.load(WORK / "half.safetensors"),
                      convnet.Model.load_memory(model.save_memory(weights="float16"))):
            self.assertTrue(np.allclose(again.forward(images), wanted, atol=1e-2))
        self.assertIn("small_run", (WORK / "model.h").read_text())

    def test_state_dicts(self):
        model, other = convnet.Model.mnist(5, seed=1), convnet.Model.mnist(5, seed=2)
        images = np.random.default_rng(6).random((1, 1, 28, 28), np.float32)
        wanted = model.forward(images)
        arrays = {"backbone." + name: np.array(model.tensor(name)) for name in model.tensor_names}
        convnet.Tensors(arrays).save(WORK / "backbone.safetensors")
        told = []
        ways = [lambda: other.load_state_dict(arrays, prefix="backbone.", report=lambda *what: told.append(what)),
                lambda: other.load_state_dict(arrays, renames={"backbone.": ""}),
                lambda: other.load_tensors(WORK / "backbone.safetensors", prefix="backbone."),
                lambda: other.load_tensors_memory((WORK / "backbone.safetensors").read_bytes(), prefix="backbone."),
                lambda: other.load_state_dict(model.state_dict())]
        for load in ways:
            other.init(2)
            self.assertFalse(np.array_equal(other.forward(images), wanted))
            load()
            self.assertTrue(np.array_equal(other.forward(images), wanted))
        self.assertEqual({result for result, _, _ in told}, {convnet.LoadResult.MATCHED})
        with self.assertRaises(convnet.Error) as caught:
            other.load_state_dict({"nothing": np.zeros(1)})
        self.assertEqual(caught.exception.status, convnet.Status.NOT_FOUND)

    def test_tensors(self):
        tensors = convnet.Tensors({"a": np.arange(3), "b": np.ones((2, 2), np.float32)})
        tensors.set_metadata("who", "me")
        tensors.save(WORK / "both.npz", deflate=True)
        for again in (tensors, convnet.Tensors.load_memory(tensors.save_memory())):
            self.assertEqual((list(again), len(again), again.metadata), (["a", "b"], 2, {"who": "me"}))
        again = convnet.Tensors.load(WORK / "both.npz")
        again.get("b")[0, 0] = 5
        self.assertEqual(again["b"].tolist(), [[5, 1], [1, 1]])
        again.remove("b")
        with self.assertRaises(KeyError):
            again["b"]

    def test_what_models_tell(self):
        model = convnet.Model.zoo("resnet20", classes=4, width_mult=0.5)
        self.assertIn("resnet20", convnet.zoo_names())
        self.assertIn("Conv2d", model.summary())
        self.assertIn("jump", model.receptive_field())
        self.assertEqual(model.output_shape_for((3, 64, 48)), (4, 1, 1))
        self.assertEqual((model.output_layer, model.loss), ("fc", convnet.LossKind.CROSS_ENTROPY))
        self.assertEqual((model.input_count, model.output_count), (1, 1))
        self.assertEqual(sum(layer.parameters for layer in model.layers), model.parameter_count)
        self.assertTrue(model.freeze("conv1*").frozen("conv1.weight"))
        model.replace("conv1", convnet.conv2d(3, 8, 3, padding=1, bias=False)).init(1)
        self.assertEqual(convnet.Model.session8_pretrained().class_names[3], "cat")
        self.assertEqual(convnet.Model.session8_pretrained().class_activation_map(np.zeros((1, 3, 32, 32), np.uint8), 3).ndim, 4)
        names = (convnet.loss_name("nll"), convnet.metric_name("mean-iou"), convnet.optimizer_name("muon"),
                 convnet.schedule_name("one-cycle"), convnet.isa_name("portable"))
        self.assertEqual(names, ("nll", "mean IoU", "muon", "one-cycle", "portable"))
        self.assertTrue(convnet.metric_increases("accuracy") and not convnet.metric_increases("loss"))


class Words(unittest.TestCase):
    def test_what_prints_show(self):
        model, data = small_model(), small_data()
        self.assertEqual(repr(model), "<convnet.Model: 3×8×8 to 10×1×1, 5 layers, 162 parameters>")
        self.assertEqual(str(model), model.summary())
        self.assertEqual(repr(data), "<convnet.Dataset: 40 images of 3×8×8, 10 classes>")
        self.assertEqual(repr(convnet.Model(3, 8, 8)), "<convnet.Model: 0 layers, 0 parameters>")
        for thing in (model, data):
            thing.close()
            self.assertRegex(repr(thing), "^<convnet.[A-Z][a-z]*, closed>$")

    def test_images_that_lie_otherwise(self):
        predictor = convnet.Predictor(small_model())
        with self.assertRaisesRegex(ValueError, r"images are \[N, 3, 8, 8\], not \[8, 8, 3\]"):
            predictor(np.zeros((8, 8, 3), np.uint8))
        with self.assertRaisesRegex(ValueError, r"not \[1, 8, 8, 3\]: images.transpose\(0, 3, 1, 2\)"):
            predictor(np.zeros((1, 8, 8, 3), np.uint8))


class Data(unittest.TestCase):
    def test_arrays_are_not_copied(self):
        images = np.zeros((4, 1, 2, 2), np.uint8)
        data = convnet.Dataset(images, [0, 1, 0, 1])
        images[2] = 9
        self.assertEqual((data.image(2).max(), data.label(3), len(data), data.classes, data.shape), (9, 1, 4, 2, (1, 2, 2)))
        floats = convnet.Dataset.memory(np.ones((1, 1, 2, 2), np.float32))
        self.assertEqual((floats.image(0).dtype, floats.target_count), (np.float32, 0))

    def test_views(self):
        data = small_data().set_class_names([f"class {i}" for i in range(10)])
        part, rest = data.split(0.25, seed=1)
        evenly, others = data.split_stratified(0.25, seed=1)
        self.assertEqual([len(view) for view in (part, rest, evenly, others)], [10, 30, 10, 30])
        self.assertEqual(data.subset([7, 3]).label(1), 3)
        self.assertEqual(sorted(data.shuffled(2).label(i) for i in range(40)), sorted(np.arange(40) % 10))
        model = small_model()
        model.set_class_names(data.class_names[::-1])
        self.assertEqual(data.match_classes(model).label(0), 9)
        self.assertEqual(set(data.balanced_weights()), {0.25})
        data.close()
        self.assertEqual(part.shape, (3, 8, 8))

    def test_changes_and_targets(self):
        data = small_data().set_augmentation(convnet.AUGMENTATION_CIFAR10, grayscale=0.0)
        data.set_normalization([0.1] * 3, [0.2] * 3)
        self.assertEqual((data.augmentation.horizontal_flip, data.augmentation.rotation, data.augmentation.grayscale), (0.5, 7, 0))
        self.assertEqual(convnet.AUGMENTATION_MNIST["rotation"], 7.0)
        self.assertAlmostEqual(float(data.normalization[1][0]), 0.2, 6)
        data.set_augmentation()
        data.clear_targets().add_target(np.zeros((40, 8, 8)), kind="mask", classes=2, shape=(1, 8, 8))
        data.add_target(np.ones((40, 2)), kind="vector", vector="invariant", shape=(2, 1, 1))
        data.add_target(kind="image")
        images, targets = data.batch_targets([5, 6])
        self.assertEqual([target.shape for target in targets], [(2, 8, 8), (2, 2), (2, 3, 8, 8)])
        self.assertEqual([data.target(i).kind.name for i in range(3)], ["MASK", "VECTOR", "IMAGE"])
        self.assertTrue(np.allclose((images * 0.2 + 0.1), targets[2], atol=1e-5))

    def test_callbacks(self):
        def sample(index):
            return np.full((1, 2, 2), index, np.float32), index % 2, [index, 1], np.full((2, 2), 1), np.zeros((1, 2, 2))

        targets = [{"kind": "class", "classes": 2}, {"kind": "vector", "shape": (2, 1, 1)},
                   {"kind": "mask", "classes": 2, "shape": (1, 2, 2)}, {"kind": "image", "shape": (1, 2, 2)}]
        data = convnet.Dataset.callback(count=9, channels=1, height=2, width=2, dtype="float32", fetch_sample=sample, targets=targets)
        images, values = data.batch_targets([4, 7])
        self.assertEqual((images[1].max(), values[0].tolist(), values[1].tolist(), values[2].max()),
                         (7, [0, 1], [[4, 1], [7, 1]], 1))
        with self.assertRaisesRegex(ValueError, "gave 1 targets, and 2 were described"):
            convnet.Dataset.callback(count=9, channels=1, height=2, width=2, dtype="float32", targets=targets[:2],
                                     fetch_sample=lambda index: (np.zeros((1, 2, 2)), 1)).batch_targets([0])
        gone = []
        simple = convnet.Dataset.callback(count=3, channels=1, height=2, width=2, classes=3, release=lambda: gone.append(1),
                                          fetch=lambda index: (np.full((1, 2, 2), index * 10), index))
        self.assertEqual((simple.image(2).max(), simple.label(2)), (20, 2))
        simple.close()
        self.assertEqual(gone, [1])

    def test_pictures_and_files(self):
        picture = np.random.default_rng(7).integers(0, 256, (1, 3, 10, 12), np.uint8)
        for split in ("train", "test"):
            for name in ("cat", "dog"):
                (WORK / "pictures" / split / name).mkdir(parents=True, exist_ok=True)
                convnet.image_save(picture, WORK / "pictures" / split / name / "one.png")
        self.assertTrue(np.array_equal(convnet.image_load(WORK / "pictures/test/dog/one.png"), picture))
        self.assertTrue(np.array_equal(convnet.image_load_memory(convnet.image_encode_png(picture)), picture))
        data = convnet.Dataset.folder(WORK / "pictures", split="test", height=8, width=8)
        self.assertEqual((data.class_names, data.file_name(1), data.skipped_count), (["cat", "dog"], "test/dog/one.png", 0))
        self.assertTrue(convnet.Dataset.folder_has_parts(WORK / "pictures"))
        for name in ("images", "masks"):
            (WORK / "masked" / name).mkdir(parents=True, exist_ok=True)
            convnet.image_save(picture[:, :1] if name == "masks" else picture, WORK / "masked" / name / "one.png")
        self.assertEqual(convnet.image_load_mask(WORK / "masked/masks/one.png").shape, (1, 1, 10, 12))
        masked = convnet.Dataset.folder_masks(WORK / "masked", height=8, width=8, mask={"classes": 256, "ignore_index": -1})
        self.assertEqual(masked.target(0).kind, convnet.TargetKind.MASK)
        self.assertEqual(convnet.image_resize(picture, 5, 6).shape, (1, 3, 5, 6))
        self.assertEqual(convnet.image_fit(picture, 1, 7, 7).shape, (1, 1, 7, 7))
        self.assertEqual(convnet.image_overlay(picture, np.eye(3)[None, None]).shape, (1, 3, 10, 12))
        images, labels = np.zeros((6, 1, 4, 4), np.uint8), np.arange(6) % 3
        np.save(WORK / "images.npy", images)
        np.save(WORK / "labels.npy", labels)
        np.savez(WORK / "data.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
        self.assertEqual(convnet.Dataset.npy(WORK / "images.npy", WORK / "labels.npy").classes, 3)
        self.assertEqual(convnet.Dataset.npy(WORK / "images.npy").target_count, 0)
        self.assertEqual(convnet.Dataset.npz(WORK / "data.npz", "test", kind="class", classes=5).classes, 5)

    def test_formats_of_others(self):
        def idx(path, array):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(extent.to_bytes(4, "big") for extent in array.shape)
            path.write_bytes(head + array.astype(np.uint8).tobytes())

        for part, name in (("cifar-10", "test_batch.bin"), ("cifar-100", "test.bin")):
            (WORK / part).mkdir(exist_ok=True)
            (WORK / part / name).write_bytes((b"\x03" if part == "cifar-10" else b"\x01\x07") + bytes(3072))
        (WORK / "cifar-100" / "fine_label_names.txt").write_text("\n".join(f"fine{i}" for i in range(100)))
        (WORK / "cifar-100" / "coarse_label_names.txt").write_text("\n".join(f"coarse{i}" for i in range(20)))
        self.assertEqual(convnet.Dataset.cifar10(WORK / "cifar-10", "test").label(0), 3)
        self.assertEqual(convnet.Dataset.cifar100(WORK / "cifar-100", "test", coarse=True).label(0), 1)
        (WORK / "idx").mkdir(exist_ok=True)
        idx(WORK / "idx" / "t10k-images-idx3-ubyte", np.zeros((2, 5, 5)))
        idx(WORK / "idx" / "t10k-labels-idx1-ubyte", np.array([4, 9]))
        idx(WORK / "idx" / "train-images-idx3-ubyte", np.zeros((2, 5, 5)))
        idx(WORK / "idx" / "train-labels-idx1-ubyte", np.array([4, 9]))
        self.assertEqual(convnet.Dataset.idx(WORK / "idx", "test").label(1), 9)
        files = WORK / "idx" / "t10k-images-idx3-ubyte", WORK / "idx" / "t10k-labels-idx1-ubyte"
        self.assertEqual(convnet.Dataset.idx_files(*files).classes, 10)


class Runs(unittest.TestCase):
    def test_train_evaluate_report(self):
        train, test = convnet.Dataset.synthetic("train", 96, seed=1), convnet.Dataset.synthetic("test", 32, seed=1)
        model = convnet.Model.session8()
        trainer = convnet.Trainer(model, train, test, batch_size=32, optimizer="adam", schedule="constant",
                                  sample_weights=train.balanced_weights())
        trainer.fit(1)
        rate, curve = trainer.find_rate(first=1e-5, last=0.1, steps=10)
        self.assertTrue(1e-5 < rate < 0.1 or rate != rate)
        self.assertEqual([len(curve.points), curve.points[0].rate, curve.points[-1].rate], [10, 1e-5, 0.1])
        self.assertIn("Loss by learning rate", convnet.chart_rates(curve))
        trainer.set_learning_rate(0.01)
        trainer.save(WORK / "run.safetensors")
        trainer.fit(1)
        wanted = [epoch.train_loss for epoch in trainer.epochs]
        again = convnet.Trainer(convnet.Model.session8(), train, test, batch_size=32, optimizer="adam", schedule="constant",
                                sample_weights=train.balanced_weights())
        again.resume(WORK / "run.safetensors")
        again.fit(1)
        self.assertEqual([epoch.train_loss for epoch in again.epochs], wanted)
        self.assertEqual(again.output_info(1, 0).train_loss, again.epoch_info(1).train_loss)

        evaluation = convnet.Evaluation(model, test, flip=1)
        right = np.trace(evaluation.confusion)
        self.assertEqual((evaluation.count, evaluation.classes, evaluation.outputs), (32, 10, 1))
        self.assertEqual((evaluation.accuracy, len(evaluation.misclassified)), (right / 32, 32 - right))
        self.assertEqual((evaluation.metric("accuracy"), evaluation.main_metric()), (right / 32, convnet.Metric.ACCURACY))
        self.assertEqual(evaluation.class_metric("accuracy", 0), evaluation.class_accuracy(0))
        self.assertGreater(evaluation.loss, 0)
        entry = evaluation.misclassified[0]
        self.assertEqual(test.label(entry.index), entry.truth)

        history = trainer.history("one").set_test_name("validation")
        own = convnet.History("two").add(trainer.epoch_info(0)).add(epoch=2, train_loss=1.0)
        self.assertEqual(history.rates[0][0], 0.0)
        self.assertEqual(own.add_rate(0, 0.5).add_rate(1.5, 0.25).rates, [(0.0, 0.5), (1.5, 0.25)])
        with self.assertRaisesRegex(convnet.Error, "place is 1, wanted 1.5 or more"):
            own.add_rate(1, 0.5)
        pictures = np.zeros((2, 3, 8, 8), np.uint8)
        drawn = [convnet.chart_metric([history, own], "loss"), convnet.chart_curves([history]),
                 convnet.chart_confusion(evaluation, test), convnet.chart_class_accuracy(evaluation),
                 convnet.sheet_pictures(pictures, ["a", "b"]), convnet.sheet_examples(test, 2, [3, 4]),
                 convnet.sheet_augmented(train, 0, 2), convnet.sheet_misclassified(evaluation, test, 2),
                 convnet.sheet_filters(model.tensor(model.tensor_names[0])),
                 convnet.sheet_activations(model.until(model.layers[0].name).forward(np.zeros((1, 3, 32, 32))))]
        page = convnet.Page("Über all")
        for svg in drawn:
            self.assertTrue(svg.lstrip().startswith("<svg"), svg[:40])
            page.figure(svg, "a caption")
        page.heading("heading")
        page.paragraph("<paragraph>")
        page.notice("notice")
        page.facts({"accuracy": "99 %"})
        page.table(["what", "how many"], [["a", "1"], ["b", "2"]], "caption")
        page.pictures(pictures)
        convnet.text_save(page.html(), WORK / "page.html")
        self.assertIn("&lt;paragraph&gt;", (WORK / "page.html").read_text(encoding="utf-8"))
        report = convnet.report_page(title="A run", model=model, history=history, evaluation=evaluation, dataset=test,
                                     settings={"rate": "0.01"})
        self.assertIn("0.01", report)

    def test_the_library_is_found_and_its_version_known(self):
        self.assertEqual(convnet.version_string(), convnet.__version__)
        wrong = subprocess.run([sys.executable, "-c", "import convnet"], env={**os.environ, "CONVNET_LIBRARY": "/nowhere.so"},
                               capture_output=True, text=True, check=False)
        self.assertIn("/nowhere.so", wrong.stderr)


class Whole(unittest.TestCase):
    """Runs last: TestLoader sorts, and test_python.sh names it after all others."""

    def test_every_function_was_called(self):
        symbols = {line.split("@")[0] for line in (ROOT / "src" / "symbols.txt").read_text(encoding="utf-8").splitlines()}
        self.assertEqual(symbols, set(convnet._declared.functions))
        self.assertEqual(sorted(symbols - set(vars(convnet._functions))), [])

    def test_every_public_name_says_what_it_is(self):
        public = [thing for name, thing in vars(convnet).items() if not name.startswith("_") and
                  getattr(thing, "__module__", None) == "convnet" and not isinstance(thing, dict)]
        self.assertGreater(len(public), 100)
        self.assertEqual([thing.__name__ for thing in public if not thing.__doc__], [])


if __name__ == "__main__":
    unittest.main()
