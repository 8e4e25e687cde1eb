"""Converters of files to pictures, text and sound, for an adviser who must not open the files themselves.

The files are hostile. Each converter is a program of Debian that runs in the sandbox of `programs`, and its
output is only pixels, text or sound samples. Our own code makes the PNG file that a browser shows.

Imports `journalist_app.files`, modules at the root of `journalist_app`, and `programs`. This folder contains
no Flask.

- `conversion_limits`: every limit on what a converter may use and return
- `converter_run`: one run of a converter in the sandbox, and the reasons why a file cannot be shown
- `decode_pictures`: program that runs in the sandbox; pixels of a photo or another picture
- `file_contents`: text and list of files of an e-mail message, a web page or an archive
- `file_pages`: choice of a converter by the content of a file, and the pages that it makes
- `office_documents`: PDF of a text document, spreadsheet or presentation, made by LibreOffice
- `pdf_documents`: picture and text of each page of a PDF, made by poppler
- `picture_files`: pixels of photos and other pictures, made by Pillow and libheif
- `pixels`: picture of plain pixels, and its PNG file
- `plain_texts`: text files in any encoding, divided into pages
- `read_contents`: program that runs in the sandbox; reads an e-mail message, a web page or an archive
- `recordings`: sound and still pictures of recordings, made by ffmpeg
"""
