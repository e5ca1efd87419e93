#include "tensor/image_io.hpp"

#include <ATen/ATen.h>

#include <random>

#include "base/files.hpp"
#include "scratch_folder.hpp"

namespace ddls::tensor::image_io_test {
namespace {

using test::contains;
using test::get_bytes;
using test::put_bytes;
using test::ScratchFolder;
using test::thrown_by;

at::Tensor random_image(int64_t channels, int64_t height, int64_t width) {
  std::mt19937 engine(7);
  at::Tensor image = at::empty({channels, height, width}, at::kByte);
  for (int64_t i = 0; i < image.numel(); ++i) image.data_ptr<uint8_t>()[i] = static_cast<uint8_t>(engine());
  return image;
}

TEST(Png, round_trip_is_exact) {
  const ScratchFolder folder;
  for (const int64_t channels : {1, 3}) {
    const at::Tensor image = random_image(channels, 5, 7);
    write_file(folder / "a.png", encode_png(image));
    EXPECT_TRUE(at::equal(read_image(folder / "a.png"), image));
    EXPECT_EQ(get_bytes(folder / "a.png"), encode_png(image));
  }
  const at::Tensor turned = random_image(3, 5, 7).transpose(1, 2);
  EXPECT_TRUE(at::equal(decode_image(encode_png(turned), 0, "turned"), turned));
}

TEST(ReadImage, missing_and_unknown_files) {
  const ScratchFolder folder;
  EXPECT_EQ(thrown_by([&] { read_image(folder / "none.png"); }).code, Exit::missing);
  put_bytes(folder / "a.png", "GIF89a");
  const auto thrown = thrown_by([&] { read_image(folder / "a.png"); });
  EXPECT_EQ(thrown.code, Exit::data);
  EXPECT_TRUE(contains(thrown.message, "a.png") && contains(thrown.message, "neither PNG nor JPEG")) << thrown.message;
}

TEST(WithChannels, grey_is_repeated_and_colour_becomes_luma) {
  const at::Tensor grey = at::tensor({0, 100, 255, 7}, at::kByte).reshape({2, 1, 1, 2});
  EXPECT_TRUE(at::equal(with_channels(grey, 3), grey.expand({2, 3, 1, 2})));
  EXPECT_TRUE(at::equal(with_channels(with_channels(grey, 3), 1), grey));
  const at::Tensor red_green_blue = (at::eye(3) * 255).to(at::kByte).reshape({3, 1, 3});
  EXPECT_TRUE(at::equal(with_channels(red_green_blue, 1).flatten(), at::tensor({76, 150, 29}, at::kByte)));
}

TEST(ImageGrid, layout) {
  const at::Tensor images = at::tensor({1, 2, 3, 4, 5, 6}, at::kByte).reshape({3, 1, 1, 2});
  const at::Tensor expected = at::tensor({1, 2, 9, 3, 4, 9, 9, 9, 9, 9, 5, 6, 9, 9, 9}, at::kByte).view({3, 5});
  EXPECT_TRUE(at::equal(image_grid(images, 2, 1, 9), expected.unsqueeze(0)));
  EXPECT_TRUE(at::equal(image_grid(images, 3, 0), images.flatten().reshape({1, 1, 6})));
}

TEST(Quantise, table) {
  const at::Tensor x = at::tensor({-1.0F, 0.0F, 1.0F, -3.0F, 3.0F, 0.0039F, -0.0040F, 0.5F});
  EXPECT_TRUE(at::equal(quantise(x), at::tensor({0, 128, 255, 0, 255, 128, 127, 191}, at::kByte)));
}

TEST(Quantise, undoes_dequantise_for_every_value) {
  const at::Tensor all = at::arange(256, at::kInt).to(at::kByte);
  const at::Tensor x = dequantise(all);
  EXPECT_EQ(x.scalar_type(), at::kFloat);
  EXPECT_EQ(x[0].item<float>(), -1.0F);
  EXPECT_EQ(x[255].item<float>(), 1.0F);
  EXPECT_TRUE(at::equal(quantise(x), all));
}

}  // namespace
}  // namespace ddls::tensor::image_io_test
