#pragma once
// EXPECT_SAYS(text, part): `part` stands in `text`, which is evaluated once and shown where it does not.
#include <gtest/gtest.h>

#include <string>

#define EXPECT_SAYS(text, part)                            \
  do {                                                     \
    const std::string said = text;                         \
    EXPECT_NE(said.find(part), std::string::npos) << said; \
  } while (false)
