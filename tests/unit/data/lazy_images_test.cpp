#include "data/lazy_images.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <array>
#include <set>
#include <span>

#include "data/image_folder.hpp"
#include "scratch_folder.hpp"
#include "tensor/image_io.hpp"
#include "unit/data/memory_source.hpp"

namespace ddls::data::lazy_images_test {
namespace {

using namespace test;
using Numbers = std::vector<int64_t>;

Numbers values(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.to(at::kLong).contiguous();
  return {dense.data_ptr<int64_t>(), dense.data_ptr<int64_t>() + dense.numel()};
}

Numbers shades(const at::Tensor& images) { return values(images.flatten(1).select(1, 0)); }

at::Tensor ids(const Numbers& list) { return at::tensor(list, at::kLong); }

TEST(LazyImages, rows_in_the_order_asked_for_by_any_number_of_threads) {
  const auto source = std::make_shared<MemorySource>(shaded_images(40));
  const LazyImages images(source, {});
  const int before = at::get_num_threads();
  for (const int threads : {1, 3}) {
    at::set_num_threads(threads);
    const LazyImages::Rows rows = images.rows(ids({7, 0, 39, 7}));
    EXPECT_EQ(shades(rows.images), (Numbers{7, 0, 39, 7}));
    EXPECT_EQ(values(rows.ids), (Numbers{7, 0, 39, 7}));
  }
  at::set_num_threads(before);
  EXPECT_EQ(images.rows(ids({})).images.sizes(), (Numbers{0, 1, 2, 2}));
}

TEST(LazyImages, a_damaged_image_is_named_or_replaced_by_the_next_good_one) {
  std::vector<std::string> files = shaded_images(6);
  files[2] = "damaged";
  files[3] = files[3].substr(0, files[3].size() / 2);
  files[5] = "";
  const LazyImages fatal(std::make_shared<MemorySource>(files), {});
  EXPECT_EQ(shades(fatal.rows(ids({0, 1, 4})).images), (Numbers{0, 1, 4}));
  for (int repeat = 0; repeat < 2; ++repeat) {
    const auto thrown = thrown_by([&] { fatal.rows(ids({0, 3, 2, 5})); });
    EXPECT_EQ(thrown.code, Exit::data);
    EXPECT_TRUE(contains(thrown.message, "image 3")) << thrown.message;
  }
  for (const Numbers& order : {Numbers{0, 1, 2, 3, 4, 5}, Numbers{5, 3, 2, 0, 1, 4}}) {
    const LazyImages skipping(std::make_shared<MemorySource>(files), {0, 0, true});
    const Numbers stand_in{0, 1, 4, 4, 4, 0};
    const LazyImages::Rows rows = skipping.rows(ids(order));
    for (size_t i = 0; i < order.size(); ++i) EXPECT_EQ(values(rows.ids)[i], stand_in[static_cast<size_t>(order[i])]);
    EXPECT_EQ(shades(rows.images), values(rows.ids));
    EXPECT_EQ(skipping.damaged(), 3);
    EXPECT_EQ(skipping.damaged_ids().numel(), 3);
    EXPECT_EQ(skipping.damaged_ids().scalar_type(), at::kLong);
  }
  EXPECT_EQ(thrown_by([] {
              LazyImages(std::make_shared<MemorySource>(std::vector<std::string>(3)), {0, 0, true});
            }).code,
            Exit::data);
}

TEST(LazyImages, unlike_images_need_a_size_and_channels) {
  std::vector<std::string> files = shaded_images(2);
  files.push_back(tensor::encode_png(at::full({1, 3, 2}, 2, at::kByte)));
  files.push_back(tensor::encode_png(at::full({3, 2, 2}, 3, at::kByte)));
  const auto source = std::make_shared<MemorySource>(files);
  const LazyImages as_stored(source, {0, 0, true});  // not damage: never skipped
  EXPECT_TRUE(contains(thrown_by([&] { as_stored.rows(ids({2})); }).message, "set data.image_size"));
  EXPECT_TRUE(contains(thrown_by([&] { as_stored.rows(ids({3})); }).message, "set data.channels"));
  const LazyImages alike(source, {4, 3, false});
  EXPECT_EQ(alike.shape(), (Numbers{3, 4, 4}));
  EXPECT_EQ(shades(alike.rows(ids({3, 2, 1, 0})).images), (Numbers{3, 2, 1, 0}));
}

TEST(LazyImages, crop_is_in_the_centre_or_where_it_is_told) {
  const at::Tensor wide = at::arange(6, at::kByte).view({1, 1, 6}).expand({1, 2, 6}).contiguous();
  const LazyImages images(std::make_shared<MemorySource>(std::vector{tensor::encode_png(wide)}), {2, 0, false});
  uint8_t pixels[4];
  const auto first = [&](std::optional<double> place) {
    images.decode(0, place, pixels);
    return static_cast<int>(pixels[0]);
  };
  EXPECT_EQ(first({}), 2);
  EXPECT_EQ(first(0.0), 0);
  EXPECT_EQ(first(0.199), 0);
  EXPECT_EQ(first(0.201), 1);
  EXPECT_EQ(first(0.999), 4);
}

// The digest of the default is what it was before there were rules: older runs go on.
TEST(LazyImages, the_digest_depends_on_the_rules_of_pixels) {
  const auto digest = [](const tensor::PixelRules& rules) {
    DecodeOptions options;
    options.rules = rules;
    return LazyImages(std::make_shared<MemorySource>(shaded_images(2)), options).digest();
  };
  const std::array<int64_t, 3> before{0, 0, 0};
  EXPECT_EQ(digest({}), hash64(std::as_bytes(std::span(before)), hash64("memory")));
  const std::set<uint64_t> all{digest({}), digest({.alpha = tensor::Alpha::black}),
                               digest({.alpha = tensor::Alpha::white}), digest({.apply_exif = true})};
  EXPECT_EQ(all.size(), 4U);
}

TEST(LazyImages, folders_on_demand_are_what_they_are_at_once) {
  const ScratchFolder folder;
  for (int i = 0; i < 5; ++i)
    put_bytes(folder / fmt::format("{}/{}.png", i % 2 == 0 ? "cat" : "dog", i),
              shaded_images(5)[static_cast<size_t>(i)]);
  const ImageFolder at_once = read_image_folder(folder.path(), {});
  const FolderSource source = open_image_folder(folder.path());
  const LazyImages lazy(source.images, {});
  EXPECT_TRUE(at::equal(lazy.rows(at::arange(5, at::kLong)).images, at_once.images));
  EXPECT_TRUE(at::equal(source.labels, at_once.labels));
  std::filesystem::remove(folder / "cat/4.png");
  EXPECT_NE(open_image_folder(folder.path()).images->digest(), source.images->digest());
}

}  // namespace
}  // namespace ddls::data::lazy_images_test
