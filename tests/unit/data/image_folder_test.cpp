#include "data/image_folder.hpp"

#include <ATen/Parallel.h>
#include <ATen/ATen.h>

#include "data/class_names.hpp"
#include "scratch_folder.hpp"
#include "tensor/image_io.hpp"

namespace ddls::data::image_folder_test {
namespace {

using test::contains;
using test::get_bytes;
using test::put_bytes;
using test::ScratchFolder;
using test::thrown_by;

void put_image(const std::filesystem::path& path, int64_t shade, std::vector<int64_t> sizes = {1, 4, 4}) {
  put_bytes(path, tensor::encode_png(at::full(sizes, shade, at::kByte)));
}

std::vector<int64_t> shades(const ImageFolder& folder) {
  const at::Tensor first = folder.images.flatten(1).select(1, 0).to(at::kLong).contiguous();
  return {first.data_ptr<int64_t>(), first.data_ptr<int64_t>() + first.numel()};
}

// As many threads as torch says: the results must not depend on it.
class Threads {
 public:
  explicit Threads(int n) : before_(at::get_num_threads()) { at::set_num_threads(n); }
  ~Threads() { at::set_num_threads(before_); }

 private:
  int before_;
};

TEST(ImageFolder, flat_folder_in_sorted_order) {
  const ScratchFolder folder;
  put_image(folder / "b.png", 2);
  put_image(folder / "a.PNG", 1);
  put_image(folder / "c.png", 3);
  put_image(folder / ".hidden.png", 9);
  put_bytes(folder / "README.txt", "no image");
  const ImageFolder read = read_image_folder(folder.path(), {});
  EXPECT_EQ(read.images.sizes(), (std::vector<int64_t>{3, 1, 4, 4}));
  EXPECT_EQ(shades(read), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_FALSE(read.labels.defined());
  EXPECT_EQ(read.damaged, 0);
}

TEST(ImageFolder, class_folders_give_labels) {
  const ScratchFolder folder;
  put_image(folder / "dog/1.png", 3);
  put_image(folder / "cat/2.png", 2);
  put_image(folder / "cat/1.png", 1);
  put_image(folder / "eel/deep/below/1.png", 4);
  put_bytes(folder / "labels.txt", "no image");
  for (const int threads : {1, 3}) {
    const Threads guard(threads);
    const ImageFolder read = read_image_folder(folder.path(), {});
    EXPECT_EQ(shades(read), (std::vector<int64_t>{1, 2, 3, 4}));
    EXPECT_TRUE(at::equal(read.labels, at::tensor({0, 0, 1, 2}, at::kLong)));
    EXPECT_EQ(read.class_names, (ClassNames{"cat", "dog", "eel"}));
  }
  EXPECT_EQ(open_image_folder(folder.path() / "").class_names, (ClassNames{"cat", "dog", "eel"}));
}

TEST(ImageFolder, dataset_json_has_the_word_on_labels) {
  const ScratchFolder folder;
  put_image(folder / "00000/a.png", 1);
  put_image(folder / "00000/b.png", 2);
  put_image(folder / "00001/c.png", 3);
  const auto labels = [&](const std::string& json) {
    put_bytes(folder / "dataset.json", json);
    const ImageFolder read = read_image_folder(folder.path(), {});
    EXPECT_EQ(shades(read), (std::vector<int64_t>{1, 2, 3}));
    return read;
  };
  const auto given = labels(R"({"labels": [["00001/c.png", 0], ["00000/a.png", 6], ["00000\\b.png", 4]]})");
  EXPECT_TRUE(at::equal(given.labels, at::tensor({6, 4, 0}, at::kLong)));
  EXPECT_TRUE(given.class_names.empty());
  EXPECT_TRUE(at::equal(open_image_folder(folder.path()).labels, given.labels));
  EXPECT_FALSE(labels(R"({"labels": null})").labels.defined());
  EXPECT_FALSE(labels(R"({"labels": [["00000/a.png", [0, 1]]]})").labels.defined());  // vectors
  EXPECT_EQ(labels(R"({"images": 3})").class_names, (ClassNames{"00000", "00001"}));  // another's file
  const auto refused = [&](const std::string& json, const std::string& part) {
    put_bytes(folder / "dataset.json", json);
    const auto thrown = thrown_by([&] { read_image_folder(folder.path(), {}); });
    EXPECT_EQ(thrown.code, Exit::data);
    EXPECT_TRUE(contains(thrown.message, part)) << thrown.message;
  };
  refused(R"({"labels": [)", "no JSON");
  refused(R"({"labels": [["00000/a.png", 6], ["00000/b.png", 4]]})", "no label for '00001/c.png'");
  refused(R"({"labels": [["00000/a.png", -1]]})", "-1");
  refused(R"({"labels": [["00000/a.png", 1], ["00000/a.png", 2]]})", "twice");
}

TEST(ImageFolder, folders_that_cannot_be_used) {
  const ScratchFolder folder;
  EXPECT_EQ(thrown_by([&] { read_image_folder(folder / "none", {}); }).code, Exit::missing);
  EXPECT_EQ(thrown_by([&] { read_image_folder(folder.path(), {}); }).code, Exit::data);
  put_image(folder / "cat/1.png", 1);
  std::filesystem::create_directories(folder / "dog");
  const auto empty = thrown_by([&] { read_image_folder(folder.path(), {}); });
  EXPECT_EQ(empty.code, Exit::data);
  EXPECT_TRUE(contains(empty.message, "dog")) << empty.message;
  put_image(folder / "loose.png", 1);
  const auto mixed = thrown_by([&] { read_image_folder(folder.path(), {}); });
  EXPECT_EQ(mixed.code, Exit::data);
  EXPECT_TRUE(contains(mixed.message, "holds images and the folder 'cat'")) << mixed.message;
}

TEST(ImageFolder, what_is_left_out_is_counted) {
  const ScratchFolder folder;
  put_image(folder / "cat/1.png", 1);
  put_image(folder / "cat/.ipynb_checkpoints/1-checkpoint.png", 9);
  put_image(folder / "cat/deep/.cache/inner/2.png", 9);
  put_image(folder / ".trash/3.png", 9);
  for (const char* name : {"cat/4.webp", "cat/5.WEBP", "cat/deep/6.bmp", "Thumbs.db", "cat/notes", "cat/more.tar.gz"})
    put_bytes(folder / name, "x");
  put_bytes(folder / "cat/._1.png", "x");
  const FolderSource opened = open_image_folder(folder.path());
  EXPECT_EQ(opened.images->size(), 1);
  EXPECT_EQ(opened.left_out.text(),
            "3 images of formats that are not read (1 bmp, 2 webp), 1 archive (1 tar.gz), 3 hidden images, 3 hidden "
            "folders, 2 other files (1 without an ending, 1 db)");
  EXPECT_EQ(opened.left_out.files(), 9);
  EXPECT_EQ(read_image_folder(folder.path(), {}).left_out.text(), opened.left_out.text());
  std::filesystem::remove(folder / "cat/1.png");
  const auto none = thrown_by([&] { open_image_folder(folder.path()); });
  EXPECT_TRUE(contains(none.message, "holds no PNG or JPEG files (left out: 3 images")) << none.message;
}

TEST(ImageFolder, links_that_lead_nowhere_are_missing_files) {
  const ScratchFolder folder;
  put_image(folder / "cat/1.png", 1);
  for (const char* name : {"cat/2.png", "cat/3", "dog"}) {
    std::filesystem::create_symlink("../.annex/x", folder / name);
    const auto thrown = thrown_by([&] { open_image_folder(folder.path()); });
    EXPECT_EQ(thrown.code, Exit::missing) << name;
    EXPECT_TRUE(contains(thrown.message, fmt::format("{}' is a link to '../.annex/x'", name))) << thrown.message;
    std::filesystem::remove(folder / name);
  }
  std::filesystem::create_symlink("gone", folder / "cat/.#lock");  // hidden
  EXPECT_EQ(open_image_folder(folder.path()).images->size(), 1);
}

TEST(ImageFolder, links_that_lead_in_circles_are_named) {
  const ScratchFolder folder;
  put_image(folder / "cat/deep/1.png", 1);
  put_image(folder / "dog/1.png", 1);
  const auto circle = [&](const char* target, const char* name, const std::string& named) {
    std::filesystem::create_symlink(target, folder / name);
    const auto thrown = thrown_by([&] { open_image_folder(folder.path()); });
    EXPECT_EQ(thrown.code, Exit::data) << name;
    EXPECT_TRUE(contains(thrown.message, named)) << thrown.message;
    std::filesystem::remove(folder / name);
  };
  circle(".", "eel", "eel' is a link to '");
  circle("..", "cat/deep/up", "cat/deep/up' is a link to '");
  circle("loop.png", "loop.png", "loop.png' is a link that leads back to itself");
  std::filesystem::create_symlink("../cat", folder / "dog/cat");
  EXPECT_EQ(open_image_folder(folder.path()).images->size(), 3);  // twice the same is no circle
  circle("../../dog", "cat/deep/dog", "dog/cat' is a link to '");
}

TEST(ImageFolder, names_are_bytes) {
  const ScratchFolder folder;
  put_image(folder / "ch\xe8vre/\xff.png", 1);
  const FolderSource opened = open_image_folder(folder.path());
  EXPECT_EQ(opened.class_names, std::vector<std::string>{"ch\xe8vre"});
  EXPECT_TRUE(contains(opened.images->name(0), "ch\xe8vre/\xff.png"));
  EXPECT_FALSE(opened.images->bytes(0).empty());
}

TEST(ImageFolder, the_first_odd_one_in_sorted_order_is_named) {
  const ScratchFolder folder;
  for (int i = 0; i < 40; ++i) put_image(folder / fmt::format("{:02}.png", i), i);
  for (const int i : {17, 18, 30}) put_image(folder / fmt::format("{:02}.png", i), i, {1, 4, 5});
  put_image(folder / "25.png", 25, {3, 4, 4});
  for (const int threads : {1, 4}) {
    const Threads guard(threads);
    for (int repeat = 0; repeat < 5; ++repeat) {
      const auto thrown = thrown_by([&] { read_image_folder(folder.path(), {}); });
      EXPECT_EQ(thrown.code, Exit::data);
      EXPECT_TRUE(contains(thrown.message, "17.png' has 5 x 4 pixels")) << thrown.message;
      EXPECT_TRUE(contains(thrown.message, "data.image_size")) << thrown.message;
    }
  }
  const auto colours = thrown_by([&] { read_image_folder(folder.path(), {4, 0, false}); });
  EXPECT_TRUE(contains(colours.message, "25.png' has 3 channels")) << colours.message;
  EXPECT_TRUE(contains(colours.message, "take it out if it is a mask")) << colours.message;
  const ImageFolder fitted = read_image_folder(folder.path(), {4, 3, false});
  EXPECT_EQ(fitted.images.sizes(), (std::vector<int64_t>{40, 3, 4, 4}));
  EXPECT_EQ(shades(fitted)[17], 17);
}

TEST(ImageFolder, damaged_files_end_the_run_or_are_left_out) {
  const ScratchFolder folder;
  for (int i = 0; i < 6; ++i) put_image(folder / fmt::format("class{}/{}.png", i % 2, i), i);
  const std::string good = get_bytes(folder / "class0/0.png");
  put_bytes(folder / "class0/0.png", good.substr(0, good.size() / 2));  // the first one, which decides the shape
  put_bytes(folder / "class1/3.png", "");
  const auto fatal = thrown_by([&] { read_image_folder(folder.path(), {}); });
  EXPECT_EQ(fatal.code, Exit::data);
  EXPECT_TRUE(contains(fatal.message, "class0/0.png")) << fatal.message;
  const ImageFolder rest = read_image_folder(folder.path(), {0, 0, true});
  EXPECT_EQ(rest.damaged, 2);
  EXPECT_EQ(shades(rest), (std::vector<int64_t>{2, 4, 1, 5}));
  EXPECT_TRUE(at::equal(rest.labels, at::tensor({0, 0, 1, 1}, at::kLong)));
}

TEST(ImageFolder, nothing_but_damaged_files_is_an_error) {
  const ScratchFolder folder;
  put_bytes(folder / "a.png", "");
  put_bytes(folder / "b.jpg", "x");
  EXPECT_EQ(thrown_by([&] { read_image_folder(folder.path(), {0, 0, true}); }).code, Exit::data);
}

}  // namespace
}  // namespace ddls::data::image_folder_test
