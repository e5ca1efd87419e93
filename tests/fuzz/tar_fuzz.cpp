// The index, the labels of its members and every image's bytes; plain or gzip-compressed. The first byte chooses
// whether damage is skipped, and whether the set is a folder inside the archive.
#include "data/tar_file.hpp"
#include "data/tar_labels.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ddls;
  if (size == 0) return 0;
  const auto path = fuzz::put("a.tar", fuzz::view(data + 1, size - 1));
  fuzz::refuses_or_reads([&] {
    std::vector<std::unique_ptr<data::TarFile>> files;
    files.push_back(std::make_unique<data::TarFile>(path, (data[0] & 4) != 0));
    const data::TarIndex index = data::read_tar_index(*files[0]);
    const data::LabelledImages found =
        data::label_images(files, {index}, (data[0] & 2) != 0 ? "train" : "", /*skip_damaged=*/(data[0] & 1) != 0);
    for (const data::TarImage& image : found.images)
      if (files[0]->read(image.offset, image.size).size() != image.size) std::abort();
  });
  return 0;
}
