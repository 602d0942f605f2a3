/* SPDX-License-Identifier: MIT */
/* tasks.h: small tasks with targets of all kinds, and models for them, made in the running test's context. */
#ifndef TASKS_H
#define TASKS_H

#include "pieces.h"
#include "training.h"

enum { TASK_OUTPUTS = 4 };

/* What can be learned: a target, an output and its loss. */
typedef struct task_output {
    const char *layer;
    cn_target_kind kind;
    cn_loss_kind loss;
    float weight;
    int64_t shape[3]; /* of the output */
    cn_metric metric;
} task_output;
extern const task_output task_outputs[TASK_OUTPUTS];
bool task_of_classes(const task_output *output);

/* Some of them, in an order. */
typedef struct task {
    int count;
    int which[TASK_OUTPUTS];
} task;
enum { TASK_VECTOR, TASK_MASK, TASK_IMAGE, TASK_TWO, TASK_ALL, TASKS };
extern const task tasks[TASKS];

/* A trunk with a head for each of the task's outputs, initialised; always the same. */
cn_model *task_model(const task *t);

/* Zeros that can be such a target of `n` images. */
cn_tensor *task_target(const task_output *output, int64_t n);

/* Random pictures, and targets that have to do with them. */
typedef struct task_data {
    cn_tensor *pictures, *targets[TASK_OUTPUTS];
    cn_dataset *set;
} task_data;
task_data task_data_new(const task *t, int64_t count, uint32_t seed);
void task_data_free(task_data *data);

/* All that a trainer of a task wants, in a context of its own, after which nothing may be left. */
typedef struct task_training {
    const task *task;
    cn_model *model;
    task_data train, test;
    cn_loss_options losses[TASK_OUTPUTS];
    const cn_loss_options *list[TASK_OUTPUTS];
    cn_trainer_options options;
} task_training;
void task_begin(task_training *f, const task *t, int threads);
void task_end(task_training *f);

#endif
