/* io.h: files. safetensors.c reads and writes the container, model_file.c what a model keeps in it, atomic_file.c
 * replaces a file whole or not at all. */
#ifndef CN_IO_H
#define CN_IO_H

#include "model/model.h"

#endif
