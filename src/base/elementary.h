/* SPDX-License-Identifier: MIT */
/* elementary.h: e^x and its kin in double precision, by additions, multiplications and divisions alone. C libraries round
 * them in ways of their own, and one library by the processor; what training computes is to have the same bits everywhere.
 * They are off by an ulp or so, in the ranges that are named. */
#ifndef CN_ELEMENTARY_H
#define CN_ELEMENTARY_H

double cn__math_exp(double x);           /* any x */
double cn__math_log(double x);           /* any x: NaN below 0, -infinity of 0 */
double cn__math_log1p(double x);         /* log(1 + x) */
double cn__math_pow(double x, double y); /* 0 <= x, 0 <= y; relative error about |y log x| ulps */
double cn__math_sin(double x);           /* |x| < 10^6, beyond which they are only bounded */
double cn__math_cos(double x);

#endif
