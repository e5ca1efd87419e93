#include "data/hold_out.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include "unit/base/expect_error.hpp"
#include "unit/data/memory_source.hpp"

namespace ddls::data::hold_out_test {
namespace {

at::Tensor shades(const Dataset& set) {  // of samples that are their own ids
  return set.rows(0, set.size()).flatten(1).select(1, 0).to(at::kLong);
}

Dataset numbered(int64_t count) {
  const at::Tensor ids = at::arange(count, at::kLong);
  return {"numbers", ids.to(at::kFloat).unsqueeze(1).repeat({1, 2}), ids * 10};
}

void expect_a_split(const Dataset& whole, int64_t count) {
  const HeldOut parts = hold_out(whole, count, 3);
  EXPECT_EQ(parts.held_out.size(), count);
  const at::Tensor all = std::get<0>(at::cat({shades(parts.seen), shades(parts.held_out)}).sort());
  EXPECT_TRUE(at::equal(all, at::arange(whole.size(), at::kLong)));
  for (const Dataset* part : {&parts.seen, &parts.held_out})
    EXPECT_TRUE(at::equal(part->labels, shades(*part) * 10)) << part->name;
  EXPECT_TRUE(at::equal(shades(hold_out(whole, count, 3).held_out), shades(parts.held_out)));
  EXPECT_FALSE(at::equal(shades(hold_out(whole, count, 4).held_out), shades(parts.held_out)));
  EXPECT_NE(parts.seen.digest(), whole.digest());
  EXPECT_NE(parts.seen.digest(), hold_out(whole, count, 4).seen.digest());
}

TEST(HoldOut, CutsASetInMemoryInTwo) { expect_a_split(numbered(50), 12); }

TEST(HoldOut, CutsASetThatIsDecodedOnDemandInTwo) {
  Dataset lazy{"lazy", {}, at::arange(40, at::kLong) * 10};
  lazy.lazy =
      std::make_shared<LazyImages>(std::make_shared<test::MemorySource>(test::shaded_images(40)), DecodeOptions{});
  expect_a_split(lazy, 15);
}

// A damaged image is replaced by one of its own part: none that training sees comes in.
TEST(HoldOut, DamagedImagesAreReplacedFromTheSamePart) {
  std::vector<std::string> files = test::shaded_images(30);
  const auto source = std::make_shared<test::MemorySource>(files);
  Dataset whole{"lazy", {}, {}};
  whole.lazy = std::make_shared<LazyImages>(source, DecodeOptions{});
  const at::Tensor held = shades(hold_out(whole, 10, 1).held_out);
  const int64_t first = held[0].item<int64_t>();
  files[static_cast<size_t>(first)] = "damaged";
  whole.lazy =
      std::make_shared<LazyImages>(std::make_shared<test::MemorySource>(files), DecodeOptions{.skip_damaged = true});
  EXPECT_EQ(shades(hold_out(whole, 10, 1).held_out)[0].item<int64_t>(), held[1].item<int64_t>());
}

TEST(HoldOut, NothingOrAll) {
  const Dataset whole = numbered(5);
  const HeldOut parts = hold_out(whole, 0, 1);
  EXPECT_TRUE(parts.seen.samples.is_same(whole.samples));
  EXPECT_EQ(parts.held_out.size(), 0);
  EXPECT_ERROR(hold_out(whole, 5, 1), Exit::config,
               "train.calibration.held_out: 5 of the 5 samples of 'numbers' cannot be held out; choose fewer");
}

}  // namespace
}  // namespace ddls::data::hold_out_test
